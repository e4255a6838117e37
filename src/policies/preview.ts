import type { Clock } from '../clock.js';
import { DomainError } from '../errors.js';
import type { PolicyVersion } from '../policy/compile.js';
import { createBlastRadius, type RecentDecision } from './blast-radius.js';
import { createTurns } from '../api/preview-turns.js';
import type { BlastRadius, Simulated, Simulation } from './schema.js';
import { createSimulation } from './simulation.js';
import type { PolicyStore } from './store.js';

type Deps = {
  store: PolicyStore;
  clock: Clock;
  recentDecisions(account: string, policy: string, limit: number): Promise<RecentDecision[]>;
  validitySeconds: number;
};

/** What policies would say: to imagined questions, and before they are activated. One at a time for each account. */
export function createPolicyPreview({ store, clock, recentDecisions, validitySeconds }: Deps) {
  const version = async (account: string, name: string, wanted: number | undefined): Promise<PolicyVersion> => {
    const number = wanted ?? (await store.find(account, name))?.activeVersion;
    const found = number === undefined ? undefined : await store.findVersion(account, name, number);
    if (found) return found;
    throw new DomainError(
      'unknown-policy',
      `there is no ${wanted === undefined ? '' : `version ${wanted} of a `}policy ${name}`,
    );
  };
  const turns = createTurns();
  const simulate = createSimulation({ store, clock, version, validitySeconds });
  const blastRadius = createBlastRadius({ store, clock, version, recentDecisions });

  return {
    /**
     * What policies say to each question, the statement that decided, and what every other statement said. Things are
     * looked up only for who may read them.
     * @throws DomainError `invalid-policy`, `unknown-policy`, `invalid-request`, `too-many-requests`
     */
    simulate: (account: string, simulation: Simulation, mayReadThings: boolean): Promise<Simulated> =>
      turns.take(account, () => simulate(account, simulation, mayReadThings)),

    /** What activating a version would change. Writes nothing. @throws DomainError `unknown-policy`, `too-many-requests` */
    blastRadius: (account: string, name: string, wanted: number): Promise<BlastRadius> =>
      turns.take(account, () => blastRadius(account, name, wanted)),
  };
}

export type PolicyPreview = ReturnType<typeof createPolicyPreview>;
