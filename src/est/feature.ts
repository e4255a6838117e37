import type { Config } from '../config.js';
import type { Door, Shared } from '../door.js';
import { estRoutes } from './routes.js';
import { createEstService } from './service.js';

type Deps = Pick<Shared, 'clock' | 'failures'> &
  Omit<Parameters<typeof createEstService>[0], 'clock'> & {
    config: Pick<Config, 'est' | 'clientCertProxies'>;
    isRemembered: Parameters<typeof estRoutes>[0]['isRemembered'];
  };

/** EST (RFC 7030), on its own listener: where none is set up, nothing is mounted. */
export function createEst(deps: Deps): Door<object> {
  const { failures, isRemembered, config } = deps;
  if (!config.est) return { verbs: {}, routes: [] };
  const { makesKeys } = config.est;
  const proxies = config.clientCertProxies;
  const service = createEstService(deps);
  return { verbs: {}, routes: [], estRoutes: [estRoutes({ service, failures, isRemembered, proxies, makesKeys })] };
}
