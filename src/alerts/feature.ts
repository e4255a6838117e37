import type { Deliveries } from '../deliveries/verbs.js';
import type { Door, Ledger, Shared } from '../door.js';
import { channelRoutes } from './channel-routes.js';
import { createChannels } from './channels.js';
import { createEvaluation } from './evaluation.js';
import { createEvaluationStore } from './evaluation-store.js';
import { alertRoutes } from './routes.js';
import { ruleRoutes } from './rule-routes.js';
import { createAlertService } from './service.js';
import { createAlertStore } from './store.js';

type Deps = Ledger & Pick<Shared, 'onError'> & { deliveries: Deliveries; sendsMail: boolean };

/** Rules over the figures of accounts, and who is told when one is met. */
export function createAlerts(deps: Deps): Door<object> {
  const store = createAlertStore(deps.db);
  const evaluationStore = createEvaluationStore(deps);
  const evaluation = createEvaluation({ ...deps, store: evaluationStore });
  const channels = createChannels({ ...deps, dropChannel: store.dropChannel });
  const service = createAlertService({ ...deps, store, evaluation: evaluationStore, hasChannel: channels.has });
  return {
    verbs: {},
    // What is fixed in a path stands before what is not.
    routes: [ruleRoutes(service), channelRoutes(channels), alertRoutes(service)],
    chores: [
      { name: 'evaluate-alerts', everyMs: 15_000, instances: 'one', run: evaluation.run },
      { name: 'prune-alerts', everyMs: 600_000, instances: 'any', run: evaluation.prune },
    ],
  };
}
