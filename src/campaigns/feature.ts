import { addSeconds } from '../clock.js';
import type { Door, Ledger, Shared } from '../door.js';
import { createDoer } from './doer.js';
import { createMemberStore } from './member-store.js';
import { campaignRoutes } from './routes.js';
import { createRunner } from './runner.js';
import { createCampaignService, type CampaignService } from './service.js';
import { createCampaignStore } from './store.js';

type ServiceDeps = Parameters<typeof createCampaignService>[0];
type RunnerDeps = Parameters<typeof createRunner>[0];

type Deps = Ledger &
  Pick<Shared, 'onError'> &
  Pick<ServiceDeps, 'queryOfGroup' | 'holdPolicies'> &
  Pick<RunnerDeps, 'rightsOf'>;

const keptSeconds = 90 * 86_400;
const prunedAtOnce = 10_000;

/** Campaigns: acts on many things, in waves. */
export function createCampaigns(deps: Deps): Door<Pick<CampaignService, 'askedAt' | 'noteRefused' | 'isOverGroup'>> {
  const store = createCampaignStore(deps.db, deps.commit);
  const members = createMemberStore(deps.db);
  const service = createCampaignService({ ...deps, store, members });
  const runner = createRunner({ ...deps, store, members, doer: createDoer({ ...deps, members }) });
  const prune = async (): Promise<void> => {
    while (await store.prune(addSeconds(deps.clock(), -keptSeconds), prunedAtOnce));
  };
  return {
    verbs: service,
    routes: [campaignRoutes(service)],
    chores: [
      // Whoever takes the next slice holds the row of the campaign.
      { name: 'run-campaigns', everyMs: 1000, instances: 'one', run: runner.run },
      { name: 'prune-campaigns', everyMs: 3_600_000, instances: 'any', run: prune },
    ],
    close: runner.close,
  };
}
