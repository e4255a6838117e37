import type { Chore } from '../chores.js';
import type { Clock } from '../clock.js';
import type { Config } from '../config.js';
import type { Follower as LogFollower } from '../door.js';
import type { Log } from '../log/follow.js';
import { createFeedService, type FeedService } from './service.js';
import type { FeedStore } from './store.js';
import type { Follower } from '../log/listeners.js';
import { createStream, type Stream, type View } from './stream.js';

type Deps = {
  config: Pick<Config, 'streams'>;
  store: FeedStore;
  clock: Clock;
  reader: Pick<Log, 'mayAnswer' | 'requireLease' | 'position' | 'epoch' | 'cursorAt'>;
  /** @throws DomainError when a key is deleted or has expired, a session has ended, or its account is suspended */
  requireLive(follower: Follower): Promise<void>;
};

/** A way to follow the log: what its followers read, and what keeps that going. */
export type Following = { service: FeedService; stream: Stream; follows: LogFollower[]; chores: Chore[] };

/** Opens ways to follow the log, one for each kind of follower. `name` tells their chores apart. */
export function createFollowings({ config, store, clock, reader, requireLive }: Deps) {
  const { mayAnswer, position, epoch, cursorAt } = reader;

  return (name: string, view: View): Following => {
    const stream = createStream({ clock, cursorAt, most: config.streams, view });
    const service = createFeedService({ store, stream, view, clock, epoch, reader, requireLive });
    return {
      service,
      stream,
      follows: [{ apply: stream.push, clear: stream.endAll }],
      chores: [
        {
          name: `end-expired-${name}`,
          everyMs: 1000,
          instances: 'each',
          run() {
            // Without a lease nobody here knows what others were told: followers ask another instance.
            if (mayAnswer()) stream.endExpired();
            else stream.endAll();
          },
        },
        {
          name: `tell-${name}-the-head`,
          everyMs: 5000,
          instances: 'each',
          run() {
            // A follower takes a head for word that it is up to date.
            if (mayAnswer()) stream.head(position());
          },
        },
      ],
    };
  };
}
