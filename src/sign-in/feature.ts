import type { Door, Shared } from '../door.js';
import type { Site } from '../http/people/site.js';
import type { GuardedFetch } from '../outbound/fetch.js';
import type { PersonKeys } from '../api-keys/person-keys.js';
import type { PersonStore } from '../people/store.js';
import { sealedAs } from '../sealing.js';
import { createAcceptance } from './acceptance.js';
import { createAttemptStore } from './attempt-store.js';
import { createCommandLine } from './command-line/command-line.js';
import { commandLineRoutes } from './command-line/routes.js';
import { createFailedSignIns } from './failed-sign-ins.js';
import { createGuesses } from './methods/guesses.js';
import { linkRoutes } from './link-routes.js';
import { meRoutes } from './me-routes.js';
import { createMe } from './me.js';
import { createMethodStore } from './methods/method-store.js';
import { createOwnMethods } from './methods/own-methods.js';
import { createPasskeys } from './methods/passkeys.js';
import { createPasswords } from './methods/password.js';
import { openOidc } from './oidc/open.js';
import { signInRoutes } from './routes.js';
import { createSignIn } from './service.js';
import { createSessionCache } from './sessions/session-cache.js';
import { createSessionStore } from './sessions/session-store.js';
import { createSessions, type Sessions } from './sessions/sessions.js';
import { settingsRoutes } from './settings-routes.js';
import { createSettings } from './settings.js';
import { createSetup } from './methods/setup.js';
import { createTransactions } from './transaction.js';

type Deps = Shared & { site: Site; people: PersonStore; keys: PersonKeys; fetch: GuardedFetch };

/** How people sign in, and their sessions. */
export function createSigningIn(deps: Deps): Door<{ sessions: Sessions }> {
  const { db, clock, sealer, failures, people, reader } = deps;
  const attempts = createAttemptStore(db);
  const methods = createMethodStore(db);
  const store = createSessionStore(db);
  const cache = createSessionCache({
    async load(hash) {
      const session = await store.findByHash(hash);
      const person = session && (await people.findById(session.personId));
      return session && person ? { session, person } : undefined;
    },
    mayRemember: reader.mayAnswer,
    saveSeen: (id, at) => void store.touch(id, at).catch(deps.onError),
  });
  const sessions = createSessions({ ...deps, store, cache });
  const [passwords, passkeys] = [createPasswords(), createPasskeys(deps.site)];
  const setup = createSetup({
    methods,
    passkeys,
    passwords,
    sealTotp: (person, secret) => sealer.seal(Buffer.from(secret), sealedAs.totp(person)),
    clock,
  });
  const failed = createFailedSignIns(deps, deps.onError);
  const parts = {
    ...deps,
    failed,
    methods,
    attempts,
    sessions,
    passwords,
    passkeys,
    setup,
    guesses: createGuesses(attempts, sealer, clock),
    transactions: createTransactions(sealer, clock),
    openTotp: (person: string, sealed: Buffer) => sealer.open(sealed, sealedAs.totp(person)).toString('utf8'),
    commitAddition: reader.commitAddition,
  };
  const signIn = createSignIn(parts);
  const me = createMe({ people, methods, sessions: store });
  const settings = createSettings(parts);
  const acceptance = createAcceptance(parts);
  const { arrivals, chores, routes } = openOidc({ ...parts, sessionStore: store, acceptance });
  const providersOf = arrivals.listed;
  const sweep = async (): Promise<void> => {
    await sessions.sweep();
    await attempts.sweep(clock());
  };
  return {
    verbs: { sessions },
    routes: [
      signInRoutes({ signIn, me, passkeys, settings, providersOf, failures }),
      settingsRoutes(settings),
      linkRoutes({ acceptance, me, providersOf, failures }),
      commandLineRoutes({ commandLine: createCommandLine({ ...parts, sessionStore: store }), failures }),
      meRoutes({ me, signIn, sessions, ownMethods: createOwnMethods(parts), failures }),
      ...routes,
    ],
    follows: [cache],
    chores: [{ name: 'sweep-sign-ins', everyMs: 600_000, instances: 'any', run: sweep }, ...chores],
    metrics: passwords.metrics,
    close: failed.close,
  };
}
