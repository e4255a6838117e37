import type { Database } from '../db/client.js';
import type { Sealer } from '../sealing.js';
import { createEvaluations } from './dialects/authzen-evaluations.js';
import { createAuthzenSearch } from './dialects/authzen-search.js';
import { createLastSeen } from '../decisions/last-seen.js';
import { createPageTokens } from './page-token.js';
import type { Principals } from './principals.js';
import { createRecordStore } from '../decisions/store.js';
import { createRecorder } from '../decisions/recorder.js';
import { createSearch } from './search.js';
import type { AuthorizeService } from './service.js';
import type { Snapshot } from './snapshot.js';

/** What is kept of decisions: a sample of them, and when each thing was last asked about. */
export function createDecisionRecords(db: Database) {
  const records = createRecordStore(db);
  return { records, lastSeen: createLastSeen(records.noteSeen), recorder: createRecorder(records.insert) };
}

type AuthzenDeps = { authorize: AuthorizeService; principals: Principals; snapshot: Snapshot; sealer: Sealer };

/** What AuthZEN asks: evaluations and searches. */
export function createAuthzen({ authorize, principals, snapshot, sealer }: AuthzenDeps) {
  const search = createSearch({ foresee: authorize.foresee, principals, snapshot });
  return {
    evaluations: createEvaluations(authorize),
    search: createAuthzenSearch(search, createPageTokens(sealer.derive('pages of searches'))),
  };
}
