import type { Door, Ledger } from '../door.js';
import { lockRoom } from './room-sql.js';
import { segmentRoutes } from './routes.js';
import { createSegmentService, type SegmentService } from './service.js';
import { createSegmentStore } from './store.js';

type Verbs = Pick<SegmentService, 'requireKnown'> & { lockRoom: typeof lockRoom };

/** Network segments: where things may speak from, by what, and how much. */
export function createSegments({ db, commit, clock, audit, log }: Ledger): Door<Verbs> {
  const service = createSegmentService({ store: createSegmentStore(db, commit), clock, audit, log });
  return { verbs: { requireKnown: service.requireKnown, lockRoom }, routes: [segmentRoutes(service)] };
}
