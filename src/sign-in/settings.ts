import type { Grantee } from '../access/grantee.js';
import type { AppendAudit } from '../audit/store.js';
import type { Clock } from '../clock.js';
import type { Commit } from '../db/client.js';
import type { Origin } from '../origin.js';
import type { AttemptStore } from './attempt-store.js';

type Deps = { attempts: AttemptStore; commit: Commit; clock: Clock; audit: AppendAudit };

export type Settings = ReturnType<typeof createSettings>;

/** What an account sets about signing in. */
export function createSettings({ attempts, commit, clock, audit }: Deps) {
  return {
    takesPasswords: attempts.takesPasswords,

    /** Switches passwords on or off for all people of an account. */
    set: ({ account }: Grantee, passwords: boolean, origin: Origin): Promise<void> =>
      commit(async (tx) => {
        await attempts.setPasswords(tx, account, passwords);
        const target = `account:${account}`;
        await audit(tx, { at: clock(), account, origin, action: 'sign-in.settings', target, detail: { passwords } });
      }),
  };
}
