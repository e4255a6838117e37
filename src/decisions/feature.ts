import type { Database } from '../db/client.js';
import type { Door } from '../door.js';
import { createLastSeen, type LastSeen } from './last-seen.js';
import { createRecorder } from './recorder.js';
import { decisionRoutes } from './routes.js';
import { createRecordStore, type RecordStore } from './store.js';

type Verbs = {
  seen: LastSeen['note'];
  decided: ReturnType<typeof createRecorder>['record'];
  /** Takes decisions that were made elsewhere. */
  sampled: ReturnType<typeof createRecorder>['accept'];
  seenByName: RecordStore['noteSeenByName'];
  recentOf: RecordStore['recentOf'];
};

/** What is kept of decisions: a sample of them, and when each thing was last asked about. */
export function createDecisions(db: Database): Door<Verbs> {
  const store = createRecordStore(db);
  const lastSeen = createLastSeen(store.noteSeen);
  const recorder = createRecorder(store.insert);
  return {
    verbs: {
      seen: lastSeen.note,
      decided: recorder.record,
      sampled: recorder.accept,
      seenByName: store.noteSeenByName,
      recentOf: store.recentOf,
    },
    routes: [decisionRoutes(store.list)],
    chores: [
      { name: 'write-decisions', everyMs: 1000, instances: 'each', run: recorder.flush },
      { name: 'write-last-seen', everyMs: 15_000, instances: 'each', run: lastSeen.flush },
      { name: 'prune-decisions', everyMs: 60_000, instances: 'any', run: store.prune },
    ],
    close: async () => void (await Promise.allSettled([lastSeen.flush(), recorder.flush()])),
  };
}
