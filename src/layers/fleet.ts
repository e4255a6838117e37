import type { Permission } from '../access/permissions.js';
import type { Transaction } from '../db/client.js';
import type { Shared } from '../door.js';
import { createCampaigns } from '../campaigns/feature.js';
import { createGroups } from '../groups/feature.js';
import { createThings } from '../things/feature.js';

type ThingDeps = Parameters<typeof createThings>[0];
type CampaignDeps = Parameters<typeof createCampaigns>[0];
/** Who may act, locked until the transaction ends. */
type Held = { permissions: Permission[]; accountStatus: string; expiresAt?: Date | null; status?: string };
type Hold = (tx: Transaction, account: string, id: string) => Promise<Held | undefined>;

type Deps = Shared &
  Pick<ThingDeps, 'createReenroll' | 'inAws' | 'sessionsOf' | 'identity'> &
  Pick<CampaignDeps, 'holdPolicies'> & { holdKey: Hold; holdPerson: Hold };

/** The rooms of many things at once: the registry, groups of it, and what campaigns do to them. */
export function openFleet(deps: Deps) {
  const campaigns = createCampaigns({
    ...deps,
    queryOfGroup: (account, name) => groups.verbs.queryOf(account, name),
    rightsOf: createRightsOf(deps),
  });
  const groups = createGroups({ ...deps, isInCampaign: campaigns.verbs.isOverGroup });
  const things = createThings({
    ...deps,
    queryOfGroup: groups.verbs.queryOf,
    askedToRenewAt: campaigns.verbs.askedAt,
  });
  return {
    doors: [things, groups, campaigns],
    things: things.verbs,
    findGroup: groups.verbs.findQuery,
    noteRefused: campaigns.verbs.noteRefused,
  };
}

/** What whoever the audit names so may do at a time: the holder of an API key, or a person. */
function createRightsOf({ holdKey, holdPerson }: Pick<Deps, 'holdKey' | 'holdPerson'>): CampaignDeps['rightsOf'] {
  return async (tx, account, actor, at) => {
    const [kind, id] = actor.split(':', 2);
    const held = await (kind === 'key' ? holdKey : holdPerson)(tx, account, id!);
    if (!held) return { gone: `${actor} is deleted` };
    if (held.accountStatus !== 'active') return { gone: 'the account is suspended' };
    if (held.expiresAt && held.expiresAt <= at) return { gone: `${actor} has expired` };
    if (held.status !== undefined && held.status !== 'active') return { gone: `${actor} is ${held.status}` };
    return { permissions: new Set(held.permissions) };
  };
}
