import type { Door, Ledger, Shared } from '../door.js';
import { createClaimStore } from './claim-store.js';
import { createDelivery } from './delivery.js';
import { commandEdgeRoutes } from './edge-routes.js';
import { createPayloadSchemas } from './payload-schemas.js';
import { commandRoutes } from './routes.js';
import { schemaRoutes } from './schema-routes.js';
import { createSchemaStore } from './schema-store.js';
import { createCommandService } from './service.js';
import { createCommandStore } from './store.js';

type Deps = Ledger & { reader: Pick<Shared['reader'], 'commitAddition'> };

/** Commands for things, which edges carry. */
export function createCommands(deps: Deps): Door<Record<string, never>> {
  const { reader, db, clock, audit, log } = deps;
  // A command takes no right away: nobody waits until every instance knows of it.
  const commit = reader.commitAddition;
  const schemas = createPayloadSchemas({ store: createSchemaStore(db), clock, audit });
  const service = createCommandService({
    store: createCommandStore(db),
    commit,
    clock,
    audit,
    log,
    requireFit: schemas.requireFit,
  });
  const delivery = createDelivery({ store: createClaimStore(db, commit), clock, log });
  return {
    verbs: {},
    routes: [commandRoutes(service), schemaRoutes(schemas), commandEdgeRoutes(delivery)],
    chores: [
      { name: 'expire-commands', everyMs: 5000, instances: 'any', run: service.expire },
      { name: 'prune-commands', everyMs: 60_000, instances: 'any', run: service.prune },
    ],
  };
}
