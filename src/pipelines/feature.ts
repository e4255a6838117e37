import type { Door, Ledger } from '../door.js';
import { pipelineRoutes } from './routes.js';
import { createPipelineService, type PipelineService } from './service.js';
import { createPipelineSimulator } from './simulation.js';
import { createPipelineStore } from './store.js';

/** Pipelines and their versions, and what they would make of recorded messages. */
export function createPipelines(ledger: Ledger): Door<PipelineService> {
  const store = createPipelineStore(ledger.db, ledger.commit);
  const service = createPipelineService({ ...ledger, store });
  return { verbs: service, routes: [pipelineRoutes({ service, simulator: createPipelineSimulator(ledger) })] };
}
