import { addSeconds, type Clock } from '../clock.js';
import { DomainError } from '../errors.js';
import type { Issuer } from '../pki/issuer.js';
import { clockSkewSeconds } from '../backdating.js';
import { createListIssuing, type PublishedCrl } from './issuing.js';
import { createListSigner, RefusedList } from './signer.js';
import type { List, ListedIssuer, Lists } from './lists.js';
import type { CrlRecord, RevocationStore } from './store.js';

type StoredIssuer = ListedIssuer & { kind: 'root' | 'issuing'; keyPlace: 'here' | 'elsewhere' };

type Deps<Stored extends StoredIssuer> = {
  store: RevocationStore;
  /** The list that was brought for an authority whose key is elsewhere. */
  imported(issuerId: string): Promise<PublishedCrl | undefined>;
  lists: Lists<Stored>;
  clock: Clock;
  unexpiredIssuers(account: string): Promise<Stored[]>;
  open(stored: Stored): Issuer;
  crlUrl(issuerId: string): string;
  deltaUrl(issuerId: string): string;
  log: { requireLease(): void; position(): number; catchUp(): Promise<void> };
  /** Told of every list that was not published, and why. */
  alarm(error: unknown): void;
};

const day = 86_400;
/** How long lists are valid, when they are signed again, and when that is so late that somebody must look. */
const lifetimes = {
  issuing: { valid: 7 * day, resign: day, alarm: 3.5 * day },
  root: { valid: 180 * day, resign: 30 * day, alarm: 90 * day },
};
type Kind = 'root' | 'issuing';
const kinds: Kind[] = ['root', 'issuing'];
const deltaBaseSeconds = day;
const mostAttempts = 20;
// Anybody may ask for a list and for /readyz: which list it is and what is wrong with it is for the log alone.
const refusedText = 'a list failed its checks and is not published: the log of the server says which one and why';

/** Lists of every authority: signed when asked for after a revocation, and long before they run out. */
export function createPublisher<Stored extends StoredIssuer>(deps: Deps<Stored>) {
  const { store, lists, clock, unexpiredIssuers, log, alarm } = deps;
  const issuing = createListIssuing<Stored>({
    store,
    clock,
    alarm,
    signer: createListSigner<Stored>(deps),
    validSeconds: ({ kind }) => lifetimes[kind].valid,
  });
  let alarmAt = Infinity;

  // A list from the future is signed again, but not for the little that instances' clocks differ.
  const isDue = ({ kind }: Stored, { signedAt, nextUpdate }: CrlRecord): boolean => {
    const now = clock();
    return (
      now >= addSeconds(signedAt, lifetimes[kind].resign) ||
      now >= nextUpdate ||
      now < addSeconds(signedAt, -clockSkewSeconds)
    );
  };

  const requireRecord = async (issuerId: string, scope: string): Promise<CrlRecord> => {
    const record = await store.find(issuerId, scope);
    if (!record) throw noList(issuerId, scope);
    return record;
  };

  /** A list made from these contents: the one of the record, or the next. Undefined when it has to be tried again. */
  const answerFrom = async (list: List<Stored>, record: CrlRecord): Promise<PublishedCrl | undefined> => {
    if (Number(record.position) > log.position()) await log.catchUp();
    // INVARIANT: a live list under a lease holds everything that was acknowledged by now. What is returned was made
    // from it now or later.
    log.requireLease();
    if (!list.isLive()) return undefined;
    const known = isDue(list.issuer, record) ? undefined : await issuing.recall(list, record);
    if (known) return known;
    return issuing.publish(list, record).catch(async (error: unknown) => {
      const old = await issuing.recall(list, record);
      if (old) return old;
      throw error;
    });
  };

  /** Repeats what was overtaken. Nothing is loaded for a list that has no record. */
  const untilDone = async <Result>(
    work: () => Promise<Result | undefined>,
    why = 'other instances sign faster than this one can follow: try again',
  ): Promise<Result> => {
    for (let attempt = 0; attempt < mostAttempts; attempt++) {
      const result = await work().catch((error: unknown) => {
        throw error instanceof RefusedList ? new DomainError('list-refused', refusedText, {}, { cause: error }) : error;
      });
      log.requireLease();
      if (result !== undefined) return result;
    }
    throw new DomainError('not-ready', why, { retryAfter: 1 });
  };

  const current = (issuerId: string, scope: string): Promise<PublishedCrl> =>
    untilDone(async () => {
      const record = await store.find(issuerId, scope);
      // An authority whose key is elsewhere has no record here.
      const brought = record || scope !== 'complete' ? undefined : await deps.imported(issuerId);
      if (brought) return brought;
      if (!record) throw noList(issuerId, scope);
      return lists.use(issuerId, scope, (list) => answerFrom(list, record));
    });

  const requireFresh = (crl: PublishedCrl): PublishedCrl => {
    // INVARIANT: no list leaves past its nextUpdate (RFC 5280 §5.1.2.5).
    if (crl.nextUpdate > clock()) return crl;
    throw new DomainError('list-expired', 'no current list could be signed: look at /readyz and the log of the server');
  };

  /** The base of a new delta: the one of the delta before while it is young and of the same settings, else the list itself. */
  const baseFor = (list: List<Stored>, complete: PublishedCrl, base: CrlRecord['base'] | undefined) => {
    const isYoung = base && complete.signedAt < addSeconds(base.at, deltaBaseSeconds);
    if (isYoung && Number(base.position) >= list.configuredAt) return base;
    return { number: complete.number, position: complete.position, at: complete.signedAt };
  };

  /** The delta list beside a complete one, with its number and its times. Undefined when it has to be tried again. */
  const deltaOf = async (list: List<Stored>, complete: PublishedCrl): Promise<PublishedCrl | undefined> => {
    const { id, deltaList } = list.issuer;
    if (!deltaList) throw new DomainError('not-found', `the issuer ${id} has no delta list: PATCH /v1/issuers/${id}`);
    const before = await store.find(id, 'delta');
    const { der: _, maxAge: __, ...rest } = complete;
    const record = { ...rest, scope: 'delta', url: null, signature: Buffer.alloc(0) };
    const isCurrent = list.isLive() && list.lastChange <= Number(complete.position);
    if (!isCurrent || (before && before.number > complete.number)) return undefined;
    if (before?.number !== complete.number) {
      const next = { ...record, base: baseFor(list, complete, before?.base) };
      return issuing.issue(list, next, (signed) =>
        before ? store.swap(signed, before.number) : store.insertDelta(signed),
      );
    }
    const known = await issuing.recall(list, before);
    if (known) return known;
    // No number has two deltas: one that was made from other contents is replaced together with its complete list.
    await issuing.publish(list, await requireRecord(id, 'complete'));
    return undefined;
  };

  const delta = (issuerId: string): Promise<PublishedCrl> =>
    untilDone(async () => {
      const complete = await current(issuerId, 'complete');
      return lists.use(issuerId, 'complete', (list) => deltaOf(list, complete));
    }, 'the list changes faster than its delta: try again');

  const refreshOne = async ({ issuerId, scope }: { issuerId: string; scope: string }): Promise<void> =>
    void (await (scope === 'delta' ? delta(issuerId) : current(issuerId, scope)).catch((error: unknown) => {
      // A delta that was switched off keeps nobody from being ready.
      if (error instanceof DomainError && error.code === 'not-found') issuing.forgive({ issuerId, scope });
      else alarm(error);
    }));

  return {
    /** The list of an issuer or of one of its shards. @throws DomainError `not-found`, `list-expired`, `list-refused`, `not-ready` */
    async crl(issuerId: string, scope = 'complete'): Promise<PublishedCrl> {
      log.requireLease();
      return requireFresh(await current(issuerId, scope));
    },

    /** What changed since an earlier complete list. Never served but under its own URL. @throws DomainError as `crl` */
    async delta(issuerId: string): Promise<PublishedCrl> {
      log.requireLease();
      return requireFresh(await delta(issuerId));
    },

    /**
     * The complete lists of every unexpired authority of an account, root included: what TLS servers need. A list that has to come from elsewhere
     * and did not keeps nobody from the others. @throws DomainError as `crl`
     */
    async bundle(account: string): Promise<PublishedCrl[]> {
      log.requireLease();
      const crls: PublishedCrl[] = [];
      for (const { id, keyPlace } of await unexpiredIssuers(account)) {
        if (keyPlace === 'here') crls.push(requireFresh(await current(id, 'complete')));
        else {
          const brought = await deps.imported(id);
          if (brought && brought.nextUpdate > clock()) crls.push(brought);
        }
      }
      return crls;
    },

    /**
     * What `take` makes, at one moment, of the contents of an issuer's complete list, covering what was acknowledged
     * before the call. @throws DomainError `not-found`, `not-ready`
     */
    async contents<Result>(issuerId: string, take: (list: List<Stored>) => Result): Promise<Result> {
      const { taken } = await untilDone(async () => {
        await requireRecord(issuerId, 'complete');
        return lists.use(issuerId, 'complete', (list) => {
          log.requireLease();
          return list.isLive() ? { taken: take(list) } : undefined;
        });
      });
      return taken;
    },

    /** Signs what runs out, long before it does, and tries again what was refused. Called now and then on every instance. */
    async refresh(): Promise<void> {
      const margin = (kind: Kind) => addSeconds(clock(), lifetimes[kind].valid - lifetimes[kind].resign);
      const due = await store.runningOut({ root: margin('root'), issuing: margin('issuing') }, clock());
      for (const list of [...issuing.refused(), ...due]) await refreshOne(list);
      const alarms = kinds.map(async (kind) => {
        const soonest = await store.soonestEnd(kind, clock());
        return soonest ? soonest.getTime() - (lifetimes[kind].valid - lifetimes[kind].alarm) * 1000 : Infinity;
      });
      alarmAt = Math.min(...(await Promise.all(alarms)));
    },

    /** How many lists failed their checks and are not published. */
    refusedCount: (): number => issuing.refused().length,

    /** @throws DomainError `not-ready` while a list could not be published, or is so old that it should have been */
    requireHealthy(): void {
      for (const { issuerId, scope, reason } of issuing.refused())
        throw notReady(refusedText, new Error(`the list ${issuerId} ${scope} was not published: ${reason}`));
      if (clock().getTime() >= alarmAt)
        throw notReady('lists have not been signed for half of their life: look at the log of the server');
    },
  };
}

function noList(issuerId: string, scope: string): DomainError {
  return new DomainError('not-found', `there is no list ${scope} of an issuer ${issuerId}`);
}

function notReady(why: string, cause?: Error): DomainError {
  return new DomainError('not-ready', why, { retryAfter: 60 }, { cause });
}
