import type { Ledger } from '../door.js';
import type { Grantee } from '../access/grantee.js';
import type { Json } from '../db/client.js';
import { DomainError } from '../errors.js';
import { etagOf, requireMatch } from '../api/etag.js';
import { policyEntry } from '../log/builders.js';
import type { Origin } from '../origin.js';
import type { PolicyStore } from './store.js';

type Deps = Pick<Ledger, 'clock' | 'audit' | 'log'> & {
  store: PolicyStore;
  /** Forgets what is remembered of a policy. */
  forget(account: string, name: string): void;
};

type Versions = { activeVersion: number; newestVersion: number };

const shownUsers = 10;

export type PolicyDeletion = ReturnType<typeof createPolicyDeletion>;

/** Ends policies that nothing uses. */
export function createPolicyDeletion({ store, clock, audit, log, forget }: Deps) {
  const notFound = (name: string) => new DomainError('not-found', `there is no policy ${name}`);
  // Another version, or another active one, is another policy.
  const tag = (name: string, { activeVersion, newestVersion }: Versions) =>
    etagOf('policy', name, activeVersion, newestVersion);

  return {
    /** The ETag of a policy. @throws DomainError `not-found` */
    async tagOf(account: string, name: string): Promise<string> {
      const policy = await store.place(account, name);
      if (!policy) throw notFound(name);
      return tag(name, policy);
    },

    /**
     * Deletes a policy with all of its versions. @throws DomainError `not-found`, `policy-in-use` while a thing or an
     * enrollment has it, `conflict` while it is mirrored, `precondition-failed`
     */
    async delete({ account, permissions }: Grantee, name: string, origin: Origin): Promise<void> {
      await store.transaction(async (tx) => {
        const policy = await store.lock(tx, account, name);
        if (!policy) throw notFound(name);
        requireMatch(origin, tag(name, policy));
        const at = clock();
        const users = await store.usersOf(tx, account, name, at, shownUsers);
        if (users.length > 0) throw inUse(name, users, permissions);
        if (await store.isMirrored(tx, account)) throw mirrored();
        await store.delete(tx, account, name);
        const detail: Json = { activeVersion: policy.activeVersion, versions: policy.newestVersion };
        await audit(tx, { at, account, origin, action: 'policy.delete', target: `policy:${name}`, detail });
        // Without statements it decides nothing: the version before and every edge understand that too.
        const document = { name, statements: [] };
        await log(tx, at, [policyEntry(account, { name, version: policy.newestVersion + 1, document })]);
      });
      forget(account, name);
    },
  };
}

/** Names only what whoever asks may read. */
function inUse(name: string, users: string[], holds: Grantee['permissions']): DomainError {
  const shown = users
    .filter((user) => holds.has(user.startsWith('thing:') ? 'things:read' : 'enrollments:read'))
    .slice(0, shownUsers);
  const who = shown.length > 0 ? shown.join(', ') : 'things or enrollments that this key may not read';
  return new DomainError('policy-in-use', `the policy ${name} is used by ${who}: detach it first`, { users: shown });
}

function mirrored(): DomainError {
  return new DomainError(
    'conflict',
    'AWS IoT has the policies of this account too, and keeps what is deleted here: switch the mirror off first',
  );
}
