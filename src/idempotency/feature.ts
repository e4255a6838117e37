import type { Door, Ledger } from '../door.js';
import { createIdempotencyKeeper, type IdempotencyKeeper } from './keeper.js';
import { createIdempotencyStore } from './store.js';

/** Answers that are given again to whoever sends a request again, with the same `Idempotency-Key`. */
export function createIdempotency({ db, clock }: Pick<Ledger, 'db' | 'clock'>): Door<IdempotencyKeeper> {
  const store = createIdempotencyStore(db);
  return {
    verbs: createIdempotencyKeeper({ store, clock }),
    routes: [],
    chores: [{ name: 'prune-idempotency', everyMs: 60_000, instances: 'any', run: () => store.prune(clock()) }],
  };
}
