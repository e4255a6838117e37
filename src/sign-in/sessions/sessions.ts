import { randomUUID } from 'node:crypto';
import type { Grantee, Session } from '../../access/grantee.js';
import type { AppendAudit } from '../../audit/store.js';
import type { Clock } from '../../clock.js';
import { createCredential, hashCredential } from '../../access/credentials.js';
import type { Commit, Transaction } from '../../db/client.js';
import { DomainError } from '../../errors.js';
import { mostOfPerson } from '../../limits.js';
import type { AppendLog } from '../../log/append.js';
import { personEntry } from '../../log/builders.js';
import type { Origin } from '../../origin.js';
import type { StoredPerson } from '../../people/store.js';
import { sessionLife, type CachedSession, type SessionCache } from './session-cache.js';
import type { SessionStore, StoredSession, Vouched } from './session-store.js';

type Deps = {
  store: SessionStore;
  cache: SessionCache;
  commit: Commit;
  clock: Clock;
  audit: AppendAudit;
  log: AppendLog;
};

/** Who signs in, how, and from where. */
export type SigningIn = {
  person: StoredPerson;
  methods: string[];
  origin: Origin;
  userAgent: string | undefined;
  vouched?: Vouched;
};

/** A new session: its id, and the secret of its cookie. */
export type OpenedSession = { id: string; token: string };

export type Sessions = ReturnType<typeof createSessions>;

const mostOfAgent = 200;

/** The sessions of people: begun, found, stepped up and ended. */
export function createSessions({ store, cache, commit, clock, audit, log }: Deps) {
  const isGood = ({ grantee, person }: CachedSession): boolean =>
    person.status === 'active' && grantee.session.isLive(clock());

  const judge = (cached: CachedSession | undefined): Grantee | undefined => {
    if (!cached || !isGood(cached)) return undefined;
    const { account, accountStatus } = cached.person;
    if (accountStatus !== 'active') throw new DomainError('account-suspended', `the account ${account} is suspended`);
    return cached.grantee;
  };

  const record = (tx: Transaction, account: string, origin: Origin, action: string, detail: Record<string, unknown>) =>
    audit(tx, { at: clock(), account, origin, action, target: origin.actor, detail: detail as object });

  return {
    /** Begins a session in a transaction: a new secret, whatever the browser had before (ASVS 5 7.2.4). */
    async open(tx: Transaction, { person, methods, origin, userAgent, vouched }: SigningIn): Promise<OpenedSession> {
      const { token, hash } = createCredential('tws');
      const [id, at] = [randomUUID(), clock()];
      const session = {
        id,
        hash,
        personId: person.id,
        methods,
        createdAt: at,
        lastSeenAt: at,
        authenticatedAt: at,
        expiresAt: new Date(at.getTime() + sessionLife.mostMs),
        sourceIp: origin.sourceIp ?? null,
        userAgent: userAgent?.slice(0, mostOfAgent) ?? null,
        vouched: vouched ?? null,
      };
      await store.insert(tx, session, mostOfPerson.sessions);
      const signedIn = { ...origin, actor: `person:${person.id}` };
      await record(tx, person.account, signedIn, 'person.sign-in', { methods, session: id });
      return { id, token };
    },

    /** Whether a session was used here recently. */
    isRemembered: (token: string): boolean => cache.find(hashCredential(token)) !== undefined,

    mark: cache.mark,

    /** Whether a session is certainly as it was when the mark was taken. */
    isUnchanged: ({ session }: Grantee, mark: number | undefined): boolean =>
      mark !== undefined && mark === cache.mark() && session?.isLive(clock()) === true,

    /** Who is signed in by a session; undefined for one that is unknown or has ended. @throws DomainError `account-suspended` */
    find(token: string): Grantee | undefined | Promise<Grantee | undefined> {
      const hash = hashCredential(token);
      const known = cache.find(hash);
      // One that looks idle here may have been used on another instance.
      return known && isGood(known) ? judge(known) : cache.load(hash).then(judge);
    },

    /** @throws DomainError `invalid-credential` for a session that has ended, `account-suspended` */
    async requireLive(id: string): Promise<void> {
      if (!(await store.find(id))) throw ended();
    },

    list: (personId: string): Promise<StoredSession[]> => store.list(personId),

    /** Gives a session a new secret after a factor was shown. @throws DomainError `invalid-credential` when it has ended */
    async stepUp(tx: Transaction, { account, session }: Grantee, method: string, origin: Origin): Promise<string> {
      const { id, person, methods } = session as Session;
      const { token, hash } = createCredential('tws');
      const all = [...new Set([...methods, method])];
      if (!(await store.renew(tx, id, { hash, at: clock(), methods: all }))) throw ended();
      await record(tx, account, origin, 'person.step-up', { method, session: id });
      await log(tx, clock(), [personEntry(account, person, id)]);
      return token;
    },

    /** Ends a session of a person on every instance. @throws DomainError `not-found` */
    async end({ account, session }: Grantee, id: string, origin: Origin): Promise<void> {
      const { person } = session as Session;
      await commit(async (tx) => {
        if (!(await store.end(tx, person, id))) throw new DomainError('not-found', `you have no session ${id}`);
        await record(tx, account, origin, 'person.sign-out', { session: id });
        await log(tx, clock(), [personEntry(account, person, id)]);
      });
    },

    endOthers: store.endOthers,

    /** Forgets sessions that have ended by time. */
    sweep(): Promise<void> {
      const at = clock();
      return store.sweep({ expired: at, idle: new Date(at.getTime() - 2 * sessionLife.idleMs) });
    },
  };
}

function ended(): DomainError {
  return new DomainError('invalid-credential', 'the session has ended: sign in again');
}
