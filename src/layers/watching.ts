import type { Foundations, Ledger, Shared } from '../door.js';
import { createFigures } from '../figures/feature.js';
import { createFailureLimiter } from '../http/failure-limiter.js';
import { createFleetFigures } from '../monitoring/fleet.js';

type Deps = Foundations & Ledger & Pick<Shared, 'reader'>;

/** The rooms of whoever watches over accounts: their figures, and those of the fleet. */
export function openWatching(deps: Deps) {
  const figures = createFigures(deps);
  const { count } = figures.verbs;
  return {
    doors: [figures, createFleetFigures(deps)],
    count,
    // A credential that is refused names no account: it counts for the operator's own.
    failures: createFailureLimiter(deps.config.failedCredentialsPerMinute, deps.clock, () =>
      count('default', 'credentials.failed'),
    ),
  };
}
