import type { createFollowedClock } from './followed-clock.js';
import type { Known } from './known.js';
import type { Principals } from './principals.js';
import { createStateFolder, type StoredTrust } from './stored.js';
import type { createTrust } from './trust.js';

type Deps = {
  stateDir: string;
  key: string;
  known: Known;
  principals: Principals;
  trust: ReturnType<typeof createTrust>;
  clock: ReturnType<typeof createFollowedClock>;
  /** The wall clock of this machine, milliseconds since 1970. */
  wall(): number;
  onError(error: Error): void;
};

const everyMs = 10_000;
const mostPrincipals = 50_000;

/** Writes down what is known, and takes it up again after a restart. */
export function createKeeper({ stateDir, key, known, principals, trust, clock, wall, onError }: Deps) {
  const folder = createStateFolder(stateDir, key);
  let reason = 'there is none';
  let writtenAt = -Infinity;
  let written = '';

  /** What the machine was off counts as time away. A clock that went back proves nothing: all trust is gone. */
  const resume = ({ serverTime, wall: wroteAt, usedMs, refused }: StoredTrust): void => {
    const off = wall() - wroteAt;
    clock.hear(serverTime + Math.max(0, off));
    trust.resume(off < 0 ? Infinity : usedMs + off);
    if (refused) trust.refuse();
  };

  return {
    /** Takes up what was kept. @throws Error when the folder cannot be made */
    async restore(): Promise<void> {
      await folder.prepare();
      const found = await folder.read();
      if ('reason' in found) {
        reason = found.reason;
        if (reason !== 'there is none') onError(new Error(`${stateDir} is not used: ${reason}`));
        return;
      }
      try {
        known.load([found.state.page]);
      } catch (error) {
        reason = `it cannot be read: ${(error as Error).message}`;
        return onError(new Error(`${stateDir} is not used: ${reason}`));
      }
      principals.load(found.state.principals, found.state.page.position);
      resume(found.trust);
    },

    /** Writes what changed, every ten seconds, or at once. */
    async keep(now = false): Promise<void> {
      const usedMs = trust.usedMs();
      if (!known.isLoaded() || usedMs === undefined || (!now && wall() - writtenAt < everyMs && wall() >= writtenAt))
        return;
      writtenAt = wall();
      const cursor = known.cursor();
      const mark = `${cursor} ${principals.size()}`;
      if (mark !== written)
        await folder.writeState({ page: known.dump(), principals: principals.dump(mostPrincipals) });
      written = mark;
      await folder.writeTrust({ cursor, serverTime: clock.now(), wall: writtenAt, usedMs, refused: trust.isRefused() });
    },

    /** Why nothing was taken up. */
    reason: (): string => reason,
  };
}
