import type { Door, Ledger } from '../door.js';
import { createAdmission, type Sites } from './admission.js';
import { pipelineRoutes } from './routes.js';
import { createPipelineService, type PipelineService } from './service.js';
import { createPipelineSimulator } from './simulation.js';
import { createPipelineStore } from './store.js';

/** Pipelines and their versions, and what they would make of recorded messages. */
export function createPipelines(ledger: Ledger & { sites: Sites }): Door<PipelineService> {
  const store = createPipelineStore(ledger.db, ledger.commit);
  const admission = createAdmission({ store, sites: ledger.sites });
  const service = createPipelineService({ ...ledger, store, admission });
  return { verbs: service, routes: [pipelineRoutes({ service, simulator: createPipelineSimulator(ledger) })] };
}
