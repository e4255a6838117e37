import { createAlerts } from '../alerts/feature.js';
import { createDeliveries } from '../deliveries/feature.js';
import type { Foundations, Ledger, Shared } from '../door.js';
import { createEvents } from '../events/feature.js';
import { createFigures } from '../figures/feature.js';
import { createFailureLimiter } from '../http/failure-limiter.js';
import { createFleetFigures } from '../monitoring/fleet.js';
import { createGuardedFetch } from '../outbound/fetch.js';
import { createMailer } from '../outbound/mail.js';
import { createSites } from '../sites/feature.js';

type Deps = Foundations & Ledger & Pick<Shared, 'reader'>;

const mostOfAnswer = 65_536;

/** The rooms of whoever watches over accounts: figures, alerts, and who hears what happens. */
export function openWatching(deps: Deps) {
  const { config, clock } = deps;
  const figures = createFigures(deps);
  const { count } = figures.verbs;
  const mail = config.smtp && createMailer(config.smtp);
  const fetch = createGuardedFetch({ listed: config.outboundAllow, mostOctets: mostOfAnswer });
  const deliveries = createDeliveries({ ...deps, fetch, mail });
  const told = { ...deps, deliveries: deliveries.verbs };
  const alerts = createAlerts({ ...told, sendsMail: mail !== undefined });
  const sites = createSites(told);
  return {
    doors: [figures, deliveries, alerts, createEvents(told), sites, createFleetFigures(deps)],
    sites: sites.verbs,
    count,
    mail,
    // A credential that is refused names no account: it counts for the operator's own.
    failures: createFailureLimiter(config.failedCredentialsPerMinute, clock, () =>
      count('default', 'credentials.failed'),
    ),
  };
}
