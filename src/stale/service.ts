import type { Grantee } from '../access/grantee.js';
import type { Follower, Sink } from '../log/listeners.js';
import { cursorForm, parseCursor } from '../log/cursor.js';
import type { Log } from '../log/follow.js';
import { kindNames, type StaleKind } from './kinds.js';
import type { StaleStream } from './stream.js';
import type { Watch } from './watch.js';

type Deps = {
  stream: StaleStream;
  watch: Watch;
  /** How far the audit was read here. */
  place(): bigint;
  reader: Pick<Log, 'requireLease' | 'epoch'>;
  /** @throws DomainError when a session has ended, or its account is suspended */
  requireLive(follower: Follower): Promise<void>;
};

/** Joins tabs to the stream of what became stale. */
export function createStaleService({ stream, watch, place, reader, requireLive }: Deps) {
  const missedSince = async (
    follower: Grantee,
    cursor: string | undefined,
  ): Promise<readonly StaleKind[] | undefined> => {
    if (cursor === undefined) return undefined;
    if (!cursorForm.test(cursor)) return kindNames;
    const { epoch, position } = parseCursor(cursor);
    // Of another history, or ahead of what is known here: nobody can say what it missed.
    if (epoch !== reader.epoch() || BigInt(position) > place()) return kindNames;
    return watch.missed(follower.account, follower.session?.person, BigInt(position));
  };

  return {
    read: (): Promise<void> => Promise.resolve(),

    /** INVARIANT: from here on what changes is noted for the tab; `begin` reads what it missed before. */
    follow(follower: Grantee, to: Sink) {
      const { isIn, leave, live } = stream.join(follower, to);
      return {
        isIn,
        leave,
        /** @throws DomainError `not-ready` without a lease, `invalid-credential` for a session that has ended */
        async begin(cursor: string | undefined): Promise<() => Promise<void>> {
          try {
            reader.requireLease();
            await requireLive(follower);
            await watch.run();
            const missed = await missedSince(follower, cursor);
            return () => Promise.resolve(live(missed));
          } catch (error) {
            leave();
            throw error;
          }
        },
      };
    },
  };
}
