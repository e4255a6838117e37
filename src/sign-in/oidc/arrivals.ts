import { randomUUID } from 'node:crypto';
import type { Grantee } from '../../access/grantee.js';
import { permissionsOfRole, type Role } from '../../access/permissions.js';
import type { PersonKeys } from '../../api-keys/person-keys.js';
import type { AppendAudit } from '../../audit/store.js';
import { addSeconds } from '../../clock.js';
import type { Transaction } from '../../db/client.js';
import { DomainError } from '../../errors.js';
import { mostOfAccount, tooMany } from '../../limits.js';
import type { AppendLog } from '../../log/append.js';
import { personEntry } from '../../log/builders.js';
import type { PersonStore, StoredPerson } from '../../people/store.js';
import { sealedAs, type Sealer } from '../../sealing.js';
import type { Acceptance, Accepted } from '../acceptance.js';
import { requireWelcome, type Requester, type SignInDeps } from '../service.js';
import type { SessionStore, Vouched } from '../sessions/session-store.js';
import { startAgain, type OpenTransaction } from '../transaction.js';
import { emailOf, nameOf, requireRole, type Claims } from './claims.js';
import type { Arrived, OidcClients } from './clients.js';
import type { ProviderStore, StoredProvider } from './provider-store.js';

type Deps = Pick<SignInDeps, 'attempts' | 'sessions' | 'transactions' | 'failed' | 'commit' | 'clock'> & {
  people: PersonStore;
  store: ProviderStore;
  sessionStore: Pick<SessionStore, 'find'>;
  clients: OidcClients;
  acceptance: Pick<Acceptance, 'accept'>;
  keys: Pick<PersonKeys, 'end'>;
  sealer: Pick<Sealer, 'seal'>;
  audit: AppendAudit;
  log: AppendLog;
  redirectUri(providerId: string): string;
};

export type Arrivals = ReturnType<typeof createArrivals>;

/** For how long a provider is believed that somebody is still there, and when it is asked again. */
export const vouching = { seconds: 3600, recheckSeconds: 1800 };

/** Single sign-on: people go to a provider, and come back with its word. Who they are is issuer and subject, never an address. */
export function createArrivals(deps: Deps) {
  const { people, store, sessionStore, clients, acceptance, attempts, sessions, transactions, commit, clock } = deps;

  const find = async (id: string): Promise<StoredProvider> => {
    const provider = await store.find(id);
    if (!provider) throw new DomainError('not-found', `there is no sign-in provider ${id}`);
    return provider;
  };

  const vouchedBy = (provider: StoredProvider, { claims, refreshToken }: Arrived): Vouched => {
    const at = clock();
    const isAsked = refreshToken !== undefined;
    return {
      providerId: provider.id,
      subject: claims.sub,
      providerSession: typeof claims['sid'] === 'string' ? claims['sid'] : null,
      refreshSealed: isAsked
        ? deps.sealer.seal(Buffer.from(refreshToken), sealedAs.providerRefresh(provider.id))
        : null,
      vouchedUntil: addSeconds(at, vouching.seconds),
      recheckAt: isAsked ? addSeconds(at, vouching.recheckSeconds) : null,
    };
  };

  const addIdentity = async (
    tx: Transaction,
    { account, issuer }: StoredProvider,
    subject: string,
    personId: string,
  ) => {
    const identity = { id: randomUUID(), account, issuer, subject, personId, createdAt: clock() };
    if (await store.addIdentity(tx, identity)) return;
    throw new DomainError('sign-in-refused', 'somebody else here is signed in by this identity: use another one');
  };

  /** Makes whoever comes for the first time. */
  const create = async (
    tx: Transaction,
    provider: StoredProvider,
    { claims, role, name }: { claims: Claims; role: Role; name: string },
  ): Promise<StoredPerson> => {
    const { account } = provider;
    const most = mostOfAccount.people;
    if ((await people.count(tx, account, most)) >= most) throw tooMany('people', most, 'delete those who left');
    const [id, at] = [randomUUID(), clock()];
    const granted = { role, permissions: permissionsOfRole(role, account), email: emailOf(claims) };
    const made = { id, account, name, ...granted, status: 'active' as const, providerId: provider.id, createdAt: at };
    const createdBy = `provider:${provider.id}`;
    if (!(await people.insert(tx, { ...made, createdBy }))) throw startAgain();
    await addIdentity(tx, provider, claims.sub, id);
    const origin = { actor: createdBy };
    await deps.audit(tx, {
      at,
      account,
      origin,
      action: 'person.create',
      target: `person:${id}`,
      detail: { name, role },
    });
    return (await people.lock(tx, account, id))!;
  };

  /** The role of whom a provider made is what it says; but the last owner stays one. Says whether it changed. */
  const followRole = async (
    tx: Transaction,
    person: StoredPerson,
    provider: StoredProvider,
    role: Role,
  ): Promise<boolean> => {
    const { id, account } = person;
    if (person.providerId !== provider.id || person.role === role) return false;
    if (person.role === 'owner' && (await people.countOtherOwners(tx, account, id, 'active')) === 0) return false;
    await people.update(tx, account, id, { role, permissions: permissionsOfRole(role, account) });
    const origin = { actor: `provider:${provider.id}` };
    await deps.audit(tx, {
      at: clock(),
      account,
      origin,
      action: 'person.update',
      target: `person:${id}`,
      detail: { role },
    });
    return true;
  };

  const signIn = async (
    provider: StoredProvider,
    arrived: Arrived,
    { hash, expiresAt }: OpenTransaction<'oidc'>,
    { origin, userAgent }: Requester,
  ): Promise<Accepted> => {
    const { account, issuer, settings } = provider;
    const role = requireRole(arrived.claims, settings);
    const known = await store.personOf(account, issuer, arrived.claims.sub);
    const wished = nameOf(arrived.claims);
    const isTaken = known === undefined && (await people.findByName(account, wished)) !== undefined;
    const name = isTaken ? `${wished} (${randomUUID().slice(0, 8)})` : wished;
    return commit(async (tx) => {
      if (!(await attempts.spend(tx, hash, expiresAt))) throw startAgain();
      const found = known === undefined ? undefined : await people.lock(tx, account, known);
      const person = found ?? (await create(tx, provider, { claims: arrived.claims, role, name }));
      requireWelcome(person);
      const isChanged = await followRole(tx, person, provider, role);
      const at = clock();
      await people.update(tx, account, person.id, { lastSignInAt: at });
      const vouched = vouchedBy(provider, arrived);
      const session = await sessions.open(tx, { person, methods: ['sso'], origin, userAgent, vouched });
      const ended = isChanged
        ? await deps.keys.end(tx, account, [person.id], { actor: `provider:${provider.id}` })
        : [];
      if (isChanged || !found) await deps.log(tx, at, [personEntry(account, person.id), ...ended]);
      return { ...session, recoveryCodes: [] };
    });
  };

  const stepUp = async (
    provider: StoredProvider,
    { claims }: Arrived,
    { shown, hash, expiresAt }: OpenTransaction<'oidc'>,
    { origin }: Requester,
  ): Promise<{ token: string }> => {
    const session = await sessionStore.find(shown.session!);
    const person = await store.personOf(provider.account, provider.issuer, claims.sub);
    if (!session || session.personId !== person)
      throw new DomainError('sign-in-refused', 'the provider let somebody else in than who is signed in here');
    requireRole(claims, provider.settings);
    const { id, methods } = session;
    const caller = { account: provider.account, session: { id, person, methods } } as unknown as Grantee;
    const actor = { ...origin, actor: `person:${person}` };
    const token = await commit(async (tx) => {
      if (!(await attempts.spend(tx, hash, expiresAt))) throw startAgain();
      return sessions.stepUp(tx, caller, 'sso', actor);
    });
    return { token };
  };

  /** Who was invited has the role that they were invited with; the rest is as the provider's settings want it. */
  const acceptLink = (
    provider: StoredProvider,
    arrived: Arrived,
    { link, hash, expiresAt }: OpenTransaction<'oidc'> & { link: string },
    requester: Requester,
  ): Promise<Accepted> => {
    requireRole(arrived.claims, { ...provider.settings, defaultRole: 'auditor' });
    const how = {
      name: nameOf(arrived.claims),
      methods: ['sso'],
      requester,
      vouched: vouchedBy(provider, arrived),
      account: provider.account,
    };
    return acceptance.accept(link, how, async (tx, personId) => {
      if (!(await attempts.spend(tx, hash, expiresAt))) throw startAgain();
      await addIdentity(tx, provider, arrived.claims.sub, personId);
      return [];
    });
  };

  return {
    /** The providers that an account shows to whoever wants in. */
    listed: async (account: string) => (await store.list(account)).map(({ id, name }) => ({ id, name })),

    /**
     * Where a browser goes to sign in, and the transaction that it takes along. With a `session`, to step up there; with a `link`, to
     * accept that. @throws DomainError `not-found`, `provider-away`
     */
    async begin(providerId: string, { link, session }: { link?: string | undefined; session?: string | undefined }) {
      const provider = await find(providerId);
      const { url, expected } = await clients.begin(provider, deps.redirectUri(providerId), session !== undefined);
      const { state, nonce, verifier } = expected;
      const shown = { kind: 'oidc' as const, provider: providerId, state, nonce, verifier, link, session };
      return { url, transaction: transactions.begin(shown) };
    },

    /**
     * Redeems what a browser brought back. Returns the secret of the session that it gets.
     * @throws DomainError `invalid-credential`, `sign-in-refused`, `provider-away`, `account-suspended`
     */
    async finish(
      providerId: string,
      url: URL,
      sealed: string | undefined,
      requester: Requester,
    ): Promise<{ token: string }> {
      const transaction = transactions.open(sealed, 'oidc');
      const { shown } = transaction;
      if (shown.provider !== providerId) throw startAgain();
      const provider = await find(providerId);
      const action = shown.session === undefined ? 'sign-in' : 'step-up';
      return deps.failed.watching({ action, method: 'sso', origin: requester.origin }, async (about) => {
        about({ account: provider.account, provider: providerId });
        const arrived = await clients.arrive(provider, url, { ...shown, isStepUp: shown.session !== undefined });
        if (arrived.jwks) await store.saveKeys(provider.id, arrived.jwks);
        if (shown.session !== undefined) return stepUp(provider, arrived, transaction, requester);
        if (shown.link === undefined) return signIn(provider, arrived, transaction, requester);
        return acceptLink(provider, arrived, { ...transaction, link: shown.link }, requester);
      });
    },
  };
}
