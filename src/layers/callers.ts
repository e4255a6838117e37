import { createAccounts } from '../accounts/feature.js';
import { createApiKeys } from '../api-keys/feature.js';
import type { Shared } from '../door.js';
import { siteOf } from '../http/people/site.js';
import { createGuardedFetch } from '../outbound/fetch.js';
import type { SendMail } from '../outbound/mail.js';
import { createPeople } from '../people/feature.js';
import { createSigningIn } from '../sign-in/feature.js';
import { createStale } from '../stale/feature.js';

type Deps = Shared &
  Omit<Parameters<typeof createAccounts>[0], keyof Shared | 'insertOwnerKey'> & { mail: SendMail | undefined };

/** The rooms of whoever may act in an account: keys, and people with their sessions. */
export function openCallers(deps: Deps) {
  const site = siteOf(deps.config.publicUrl);
  const apiKeys = createApiKeys(deps);
  const accounts = createAccounts({ ...deps, insertOwnerKey: apiKeys.verbs.insertOwnerKey });
  // The token stands where browsers send it to nobody.
  const { ofPeople: keys } = apiKeys.verbs;
  const people = createPeople({
    ...deps,
    endKeys: keys.end,
    linkOf: (token) => `${site.origin}/console/welcome#${token}`,
  });
  const fetch = createGuardedFetch({ listed: deps.config.outboundAllow });
  const signIn = createSigningIn({ ...deps, site, fetch, keys, people: people.verbs.store });
  /** Refuses a caller whose key or session has ended since. @throws DomainError `invalid-credential`, `account-suspended` */
  const requireLive = ({ account, id, session }: { account: string; id: string; session?: object }): Promise<void> =>
    session ? signIn.verbs.sessions.requireLive(id) : apiKeys.verbs.requireLive(account, id);
  const stale = createStale({ ...deps, requireLive });

  return {
    doors: [accounts, apiKeys, people, signIn, stale],
    site,
    accounts: accounts.verbs,
    apiKeys: apiKeys.verbs,
    people: people.verbs.service,
    holdKey: apiKeys.verbs.hold,
    holdPerson: people.verbs.store.hold,
    signIn: signIn.verbs,
    requireLive,
  };
}
