import type { Config } from '../config.js';
import type { Door, Ledger, Shared } from '../door.js';
import { issuerRoutes } from './routes.js';
import type { Transaction } from '../db/client.js';
import { createOfflineStore } from './offline-store.js';
import { rotationRoutes } from './rotation-routes.js';
import { createIssuerService, type IssuerService } from './service.js';
import { createIssuerStore, type IssuerStore } from './store.js';

type ServiceDeps = Parameters<typeof createIssuerService>[0];

type Deps = Ledger &
  Pick<Shared, 'sealer'> & {
    config: Pick<Config, 'caKeyType' | 'pkiUrl'>;
    /** The room of lists, which opens after this one. */
    lists(): {
      open(tx: Transaction, issuerId: string, scope: string, at: Date): Promise<void>;
      openShards: ServiceDeps['openShards'];
      publisher: { crl: ServiceDeps['currentList'] };
    };
  };

type Issuers = IssuerService & Pick<IssuerStore, 'find' | 'size'>;

/** The certificate authorities of all accounts. */
export function createIssuers(deps: Deps): Door<Issuers> {
  const store = createIssuerStore(deps.db);
  const { caKeyType, pkiUrl } = deps.config;
  const service = createIssuerService({
    ...deps,
    store,
    pkiUrl,
    keyType: caKeyType,
    openShards: (...asked) => deps.lists().openShards(...asked),
    openList: (...asked) => deps.lists().open(...asked),
    offlineStore: createOfflineStore(deps.db),
    currentList: (issuerId) => deps.lists().publisher.crl(issuerId),
  });
  return {
    verbs: { ...service, find: store.find, size: store.size },
    routes: [issuerRoutes(service), rotationRoutes(service)],
    follows: [service],
  };
}
