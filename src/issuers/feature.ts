import type { Config } from '../config.js';
import type { Door, Ledger, Shared } from '../door.js';
import { issuerRoutes } from './routes.js';
import { createIssuerService, type IssuerService } from './service.js';
import { createIssuerStore, type IssuerStore } from './store.js';

type ServiceDeps = Parameters<typeof createIssuerService>[0];

type Deps = Ledger &
  Pick<Shared, 'sealer'> &
  Pick<ServiceDeps, 'openShards'> & { config: Pick<Config, 'caKeyType' | 'pkiUrl'> };

type Issuers = IssuerService & Pick<IssuerStore, 'find' | 'size'>;

/** The certificate authorities of all accounts. */
export function createIssuers(deps: Deps): Door<Issuers> {
  const store = createIssuerStore(deps.db);
  const { caKeyType, pkiUrl } = deps.config;
  const service = createIssuerService({ ...deps, store, pkiUrl, keyType: caKeyType });
  return {
    verbs: { ...service, find: store.find, size: store.size },
    routes: [issuerRoutes(service)],
    follows: [service],
  };
}
