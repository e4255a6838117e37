import type { Clock } from '../clock.js';
import type { Log } from '../log/follow.js';
import { encodeCursor, parseCursor, requireFollowable } from '../log/cursor.js';
import type { FeedPage, FeedStore } from './store.js';
import type { Follower, Sink } from '../log/listeners.js';
import type { Stream, View } from './stream.js';

type Deps = {
  store: FeedStore;
  stream: Stream;
  view: Pick<View, 'hides' | 'snapshot'>;
  clock: Clock;
  epoch(): string;
  /** INVARIANT: an instance without a lease begins no stream and says no head. */
  reader: Pick<Log, 'mayAnswer' | 'requireLease'>;
  /** @throws DomainError when a key is deleted or has expired, a session has ended, or its account is suspended */
  requireLive(follower: Follower): Promise<void>;
};

/** A connection that a stream is written to. */
export type Connection = Sink & {
  /** Resolves when what was written is on its way, or the connection is closed; undefined when nothing waits. */
  drained(): Promise<void> | undefined;
};

const streamedEntries = 1000;

export type FeedService = ReturnType<typeof createFeedService>;

/** What followers read of their account's log: pages, the state that it leads to, and what comes next. */
export function createFeedService({ store, stream, view, clock, epoch, reader, requireLive }: Deps) {
  /**
   * A page; without a cursor, from the oldest entry that there is. Whether the cursor still leads anywhere is judged by
   * the epoch and the beginning of the very log that the page was read from. @throws DomainError `epoch-changed`, `cursor-pruned`
   */
  const read = async (account: string, cursor: string | undefined, limit: number): Promise<FeedPage> => {
    const from = cursor === undefined ? undefined : parseCursor(cursor);
    const page = await store.page(account, from?.position ?? 0, limit, view.hides);
    if (from) requireFollowable(from, page, view.snapshot);
    return page;
  };

  return {
    read,

    /** What is revoked, held, suspended or behind in an account now. */
    snapshot: (account: string) => store.snapshot(account, clock()),

    /**
     * Joins a follower to the stream. INVARIANT: from here on the log's word ends the stream. What it said before is
     * asked of the registry by `begin`, which reads the first page and returns what writes everything.
     */
    follow(follower: Follower, to: Connection) {
      const { isIn, leave, live } = stream.join(follower, to);
      const { account } = follower;

      const end = (): void => {
        leave();
        to.end();
      };

      /** Without a lease nothing begins; and the cursors in the stream are of the log that is followed here. */
      const mayGoOn = (page: FeedPage): boolean => page.epoch === epoch() && reader.mayAnswer();

      const writeFrom = async (first: FeedPage): Promise<void> => {
        // Read on at least once: what came since the first page is in no push.
        for (let page = first, again = false; isIn(); again = true) {
          if (!mayGoOn(page)) return end();
          for (const each of page.entries) {
            const bytes = stream.entryBytes(each);
            if (bytes) to.write(bytes);
          }
          await to.drained();
          if (again && !page.more) {
            // Time passed until everything was taken, and what follows is a head.
            if (!mayGoOn(page)) return end();
            return live(page.position);
          }
          // A cursor, not a position: when the log is cut or becomes another one in between, the stream ends.
          const { position } = page;
          page = await read(account, encodeCursor({ epoch: first.epoch, position }), streamedEntries);
        }
      };

      return {
        isIn,
        leave,
        /** @throws DomainError `not-ready` without a lease, for a credential that is no longer valid, and those of {@link read} */
        async begin(cursor: string | undefined): Promise<() => Promise<void>> {
          try {
            reader.requireLease();
            await requireLive(follower);
            const first = await read(account, cursor, streamedEntries);
            return () => writeFrom(first);
          } catch (error) {
            leave();
            throw error;
          }
        },
      };
    },
  };
}
