import type { PersonKeys } from '../../api-keys/person-keys.js';
import type { Chore } from '../../chores.js';
import type { Routes, Shared } from '../../door.js';
import { DomainError } from '../../errors.js';
import type { GuardedFetch } from '../../outbound/fetch.js';
import type { PersonStore } from '../../people/store.js';
import type { Acceptance } from '../acceptance.js';
import type { SignInDeps } from '../service.js';
import type { SessionStore } from '../sessions/session-store.js';
import { createArrivals, type Arrivals } from './arrivals.js';
import { createOidcClients } from './clients.js';
import { createLogouts } from './logout.js';
import { providerRoutes } from './provider-routes.js';
import { createProviders } from './provider-service.js';
import { createProviderStore } from './provider-store.js';
import { createRecheck } from './recheck.js';
import { oidcRoutes } from './routes.js';

type Deps = Shared &
  Pick<SignInDeps, 'attempts' | 'sessions' | 'transactions' | 'failed'> & {
    people: PersonStore;
    sessionStore: SessionStore;
    acceptance: Acceptance;
    fetch: GuardedFetch;
    keys: PersonKeys;
    site: { origin: string };
  };

/** Single sign-on: providers, who comes from them, and who left. */
export function openOidc(deps: Deps): { arrivals: Arrivals; routes: Routes[]; chores: Chore[] } {
  const { origin } = deps.site;
  const store = createProviderStore(deps.db);
  const clients = createOidcClients(deps);
  const urls = (id: string) => ({
    redirectUri: `${origin}/v1/sign-in/oidc/${id}/callback`,
    backchannelLogoutUri: `${origin}/v1/sign-in/oidc/${id}/backchannel-logout`,
  });
  const parts = { ...deps, store, clients };
  const arrivals = createArrivals({ ...parts, redirectUri: (id) => urls(id).redirectUri });
  const sessionOf = async (token: string | undefined): Promise<string> => {
    const caller = token === undefined ? undefined : await deps.sessions.find(token);
    if (!caller) throw new DomainError('invalid-credential', 'nobody is signed in here: sign in first');
    return caller.id;
  };
  return {
    arrivals,
    routes: [
      providerRoutes(createProviders(parts), urls),
      oidcRoutes({
        ...parts,
        arrivals,
        logouts: createLogouts({ ...parts, personKeys: deps.keys }),
        sessionOf,
        origin,
      }),
    ],
    chores: [{ name: 'recheck-sign-ins', everyMs: 60_000, instances: 'one', run: createRecheck(parts) }],
  };
}
