import { Counter } from 'prom-client';
import type { Config } from '../config.js';
import type { Door, Shared } from '../door.js';
import { createAccountStore } from './account-store.js';
import { createAccountService } from './accounts.js';
import { createBinding } from './binding.js';
import { createDownloads } from './downloads.js';
import { createIssuing } from './issuing.js';
import { createLinks } from './links.js';
import { createNonces } from './signed/nonces.js';
import { createOrderStore } from './order-store.js';
import { createOrderService } from './orders.js';
import { createRateLimiter } from '../http/rate-limiter.js';
import { createRenewalInfo } from './renewal-info.js';
import { createRequests } from './signed/requests.js';
import { createRevoking } from './revoking.js';
import { acmeRoutes } from './routes.js';
import { createThingStore } from './thing-store.js';

type IssuingDeps = Parameters<typeof createIssuing>[0];
type RevokingDeps = Parameters<typeof createRevoking>[0];

type Deps = Pick<Shared, 'db' | 'clock' | 'audit' | 'sealer' | 'failures'> &
  Pick<IssuingDeps, 'provision' | 'renewFor' | 'findCertificate'> &
  Pick<RevokingDeps, 'revokeCertificate'> & {
    config: Pick<Config, 'publicUrl' | 'requestsPerSecond'>;
    enrollments: IssuingDeps['enrollments'] & { accountOf(id: string): Promise<string | undefined> };
    useOnce: Parameters<typeof createNonces>[0]['useOnce'];
    signing: Parameters<typeof createDownloads>[0]['signing'];
  };

/** Automatic Certificate Management Environment (RFC 8555): first boot, renewal and revocation in its words. */
export function createAcme(deps: Deps): Door<object> {
  const { db, clock, audit, sealer, config, enrollments } = deps;
  const links = createLinks(config.publicUrl);
  const accounts = createAccountStore(db, audit);
  const orders = createOrderStore(db);
  const things = createThingStore(db);
  const ended = new Counter({
    name: 'thingward_acme_orders_total',
    help: 'Steps of ACME orders by result',
    labelNames: ['result'],
    registers: [],
  });
  for (const result of ['issued', 'waiting', 'refused']) ended.inc({ result }, 0);
  const count: IssuingDeps['count'] = (result) => ended.inc({ result });
  const issuing = createIssuing({ ...deps, orders, things, count });
  const nonces = createNonces(deps);
  const rates = createRateLimiter(config.requestsPerSecond, clock);
  const service = {
    links,
    nonces,
    requests: createRequests({ accounts, nonces, links, take: (by) => rates.take(by, 'write') }),
    accounts: createAccountService({
      store: accounts,
      clock,
      links,
      bindingOf: createBinding(sealer),
      accountOfEnrollment: enrollments.accountOf,
    }),
    orders: createOrderService({ store: orders, accounts, things, issuing, clock, links }),
    download: createDownloads({ things, signing: deps.signing }),
    revoke: createRevoking({ ...deps, things }),
    renewalInfo: createRenewalInfo(things),
  };
  const sweep = async (): Promise<void> => {
    await orders.sweep(clock());
    await accounts.sweep(clock());
  };
  return {
    verbs: {},
    routes: [acmeRoutes({ service, failures: deps.failures })],
    chores: [{ name: 'sweep-acme', everyMs: 60_000, instances: 'any', run: sweep }],
    metrics: [ended],
  };
}
