import { randomUUID } from 'node:crypto';
import type { Door, Ledger, Shared } from '../door.js';
import type { Tell } from '../logging.js';
import { createConnections } from './client/connections.js';
import { createRateStore } from './client/rate-store.js';
import type { AwsTuning } from './client/tuning.js';
import { createImporter } from './import/import.js';
import { importRoutes } from './import/routes.js';
import { createImportStore } from './import/store.js';
import { createMirrorMetrics } from './metrics.js';
import { createMirror } from './mirror/mirror.js';
import { createSagaStore } from './mirror/saga-store.js';
import { createReconciler } from './reconcile/reconcile.js';
import { reconcileRoutes } from './reconcile/routes.js';
import { createReconcileStore } from './reconcile/store.js';
import { awsRoutes } from './routes.js';
import { createClaims } from './runs/claims.js';
import { createAwsService, type AwsService } from './service.js';
import { createSettingsStore } from './settings-store.js';

type ServiceDeps = Parameters<typeof createAwsService>[0];
type ImporterDeps = Parameters<typeof createImporter>[0];

type Deps = Ledger &
  Pick<ServiceDeps, 'findThingId' | 'findPolicy'> &
  Pick<ImporterDeps, 'savePolicy'> &
  Pick<Shared, 'tell' | 'onError'> & { tuning: AwsTuning };

type Verbs = Pick<AwsService, 'statusesOf' | 'placeOf' | 'follows' | 'ofProvisioned'> & {
  mirror: ReturnType<typeof createMirror>;
  reconciler: ReturnType<typeof createReconciler>;
  importer: ReturnType<typeof createImporter>;
};

/** The mirror in AWS IoT: what it does by itself, comparing, and taking over what AWS has. */
export function createAws(deps: Deps): Door<Verbs> {
  const { db, commit, clock, audit, tuning, onError } = deps;
  const settings = createSettingsStore(db);
  const rates = createRateStore(db);
  const instance = randomUUID();
  const sagas = createSagaStore(db, instance);
  const { timeoutMs, claimMs, pause, concurrency } = tuning;
  const claims = createClaims({ clock, prolong: sagas.prolong, timeoutMs, claimMs, onError });
  const { open, forget, close } = createConnections({ settings, rates, clock, tuning, claims });
  const service = createAwsService({ ...deps, store: settings, sagas, forget });
  const common = { open, clock, claims, onError };
  const mirror = createMirror({ ...common, store: sagas, settings, rates, concurrency });
  const reconciler = createReconciler({ ...common, store: createReconcileStore(db, instance), pause });
  const importer = createImporter({
    ...common,
    store: createImportStore({ db, commit, audit, instance }),
    pause,
    savePolicy: deps.savePolicy,
  });
  const { requireMirror, statusesOf, placeOf, follows, ofProvisioned } = service;
  const { queue } = sagas;
  return {
    verbs: { statusesOf, placeOf, follows, ofProvisioned, mirror, reconciler, importer },
    routes: [
      awsRoutes(service),
      importRoutes({ ...importer, requireMirror }),
      reconcileRoutes({ ...reconciler, requireMirror }),
    ],
    chores: [
      // What an instance claims in the database stays its own while it prolongs the claim.
      { name: 'mirror-into-aws', everyMs: 500, instances: 'one', run: mirror.tick },
      { name: 'compare-with-aws', everyMs: 500, instances: 'one', run: reconciler.tick },
      { name: 'import-from-aws', everyMs: 500, instances: 'one', run: importer.tick },
      {
        name: 'tell-of-aws-queue',
        everyMs: 10_000,
        instances: 'each',
        run: createProgress(mirror.counts, queue, deps.tell),
      },
    ],
    metrics: createMirrorMetrics({ queue, counts: mirror.counts, clock }),
    async close() {
      await Promise.all([mirror.close(), reconciler.close(), importer.close()]);
      close();
    },
  };
}

/** A long queue is long work: the log says how it shrinks. */
function createProgress(
  counts: { done: number },
  queue: () => Promise<{ pending: number; failed: number }>,
  tell: Tell,
) {
  let before = 0;
  return async (): Promise<void> => {
    const ran = counts.done - before;
    before = counts.done;
    if (ran === 0) return;
    const { pending, failed } = await queue();
    tell.info({ pending, failed, ran }, `mirroring into AWS: ${pending} to go, ${failed} failed`);
  };
}
