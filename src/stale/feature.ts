import type { Door, Shared } from '../door.js';
import type { Follower } from '../log/listeners.js';
import { encodeCursor } from '../log/cursor.js';
import { createChanges } from './changes.js';
import { staleRoutes } from './routes.js';
import { createStaleService } from './service.js';
import { createStaleStore } from './store.js';
import { createStaleStream } from './stream.js';
import { createWatch } from './watch.js';

type Deps = Pick<Shared, 'db' | 'clock' | 'reader' | 'onError'> & {
  /** @throws DomainError when a session has ended, or its account is suspended */
  requireLive(follower: Follower): Promise<void>;
};

/** Tells pages what to read again. */
export function createStale({ db, clock, reader, onError, requireLive }: Deps): Door<object> {
  const store = createStaleStore(db);
  const changes = createChanges({ store, clock });
  const { place } = changes;
  const stream = createStaleStream({
    clock,
    cursor: () => encodeCursor({ epoch: reader.epoch(), position: Number(place()) }),
  });
  const watch = createWatch({ store, changes, stream, clock, onError });
  const service = createStaleService({ stream, watch, place, reader, requireLive });
  return {
    verbs: {},
    routes: [staleRoutes(service), async (app) => void app.addHook('preClose', async () => stream.endAll())],
    follows: [
      {
        apply(entry) {
          stream.judge(entry);
          watch.nudge();
        },
        clear: stream.endAll,
      },
    ],
    chores: [
      {
        name: 'tell-what-is-stale',
        everyMs: 500,
        instances: 'each',
        async run() {
          // Without a lease nobody here knows who may still listen.
          if (!reader.mayAnswer()) return stream.endAll();
          stream.endExpired();
          await watch.run();
        },
      },
      { name: 'tell-tabs-the-head', everyMs: 10_000, instances: 'each', run: stream.head },
    ],
    async close() {
      stream.endAll();
      await watch.stop();
    },
  };
}
