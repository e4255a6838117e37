import type { Database } from '../db/client.js';
import { createLastSeen } from './last-seen.js';
import { createRecordStore } from './record-store.js';
import { createRecorder } from './recorder.js';

/** What is kept of decisions: a sample of them, and when each thing was last asked about. */
export function createDecisionRecords(db: Database) {
  const records = createRecordStore(db);
  return { records, lastSeen: createLastSeen(records.noteSeen), recorder: createRecorder(records.insert) };
}
