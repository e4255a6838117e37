import type { Clock } from '../clock.js';
import type { Database } from '../db/client.js';
import type { Door } from '../door.js';
import type { Count } from './counters.js';
import { figureRoutes } from './routes.js';
import { createFigureService } from './service.js';
import { createFigureStore } from './store.js';

/** What is measured of each account, kept for a day. */
export function createFigures({ db, clock }: { db: Database; clock: Clock }): Door<{ count: Count }> {
  const service = createFigureService({ store: createFigureStore(db), clock });
  return {
    verbs: { count: service.count },
    routes: [figureRoutes(service)],
    chores: [
      { name: 'write-figures', everyMs: 10_000, instances: 'each', run: service.flush },
      { name: 'read-account-figures', everyMs: 30_000, atStart: true, instances: 'one', run: service.read },
      { name: 'prune-figures', everyMs: 60_000, instances: 'any', run: service.prune },
    ],
    close: service.flush,
  };
}
