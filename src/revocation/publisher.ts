import { LRUCache } from 'lru-cache';
import { addSeconds, wholeSeconds, type Clock } from '../clock.js';
import { DomainError } from '../errors.js';
import type { Issuer } from '../pki/issuer.js';
import { thisUpdateOf } from './backdating.js';
import { createListSigner, RefusedList } from './list-signer.js';
import type { List, ListOf, Lists } from './lists.js';
import type { CrlRecord, RevocationStore } from './store.js';

export type StoredIssuer = {
  id: string;
  account: string;
  kind: 'root' | 'issuing';
  listSuperseded: boolean;
  deltaList: boolean;
  /** Whether the complete list says which distribution point it is for. */
  distributionPoint: boolean;
  /** Seconds that caches may keep a list without asking. */
  listMaxAge: number;
};

/** A signed list with its bytes. */
export type PublishedCrl = Omit<CrlRecord, 'signature'> & { der: Buffer; maxAge: number };

type Deps<Stored extends StoredIssuer> = {
  store: RevocationStore;
  lists: Lists;
  clock: Clock;
  findIssuer(id: string): Promise<Stored | undefined>;
  unexpiredIssuers(account: string): Promise<Stored[]>;
  open(stored: Stored): Issuer;
  crlUrl(issuerId: string): string;
  log: { mayAnswer(): boolean; position(): number; catchUp(): Promise<void> };
  /** Told of every list that was not published, and why. */
  alarm(error: unknown): void;
};

const day = 86_400;
/** How long lists are valid, when they are signed anew, and when that is so late that somebody must look. */
export const lifetimes = {
  issuing: { valid: 7 * day, resign: day, alarm: 3.5 * day },
  root: { valid: 180 * day, resign: 30 * day, alarm: 90 * day },
};
type Kind = 'root' | 'issuing';
const kinds: Kind[] = ['root', 'issuing'];
const deltaBaseSeconds = day;
// A list from the future is signed anew, but not for the little that instances' clocks differ.
const clockSkewSeconds = 300;
const mostAttempts = 20;

export type Publisher = ReturnType<typeof createPublisher>;

/** Lists of every authority: signed when asked for after a revocation, and long before they run out. */
export function createPublisher<Stored extends StoredIssuer>(deps: Deps<Stored>) {
  const { store, lists, clock, findIssuer, unexpiredIssuers, log, alarm } = deps;
  const kept = new LRUCache<string, PublishedCrl>({ max: 10_000 });
  const publishing = new Map<string, Promise<PublishedCrl | undefined>>();
  const refused = new Map<string, string>();
  const signer = createListSigner<Stored>(deps);
  let alarmAt = Infinity;

  const requireLease = (): void => {
    if (!log.mayAnswer())
      throw new DomainError('not-ready', 'this instance has no lease: try again', { retryAfter: 1 });
  };

  const listOf = (issuer: Stored, scope: string): ListOf => {
    const { id, account, listSuperseded } = issuer;
    return { issuerId: id, account, listSuperseded, scope: scope === 'delta' ? 'complete' : scope };
  };

  const isDue = ({ kind }: Stored, { signedAt, nextUpdate, signature }: CrlRecord): boolean => {
    const now = clock();
    return (
      signature.length === 0 ||
      now >= addSeconds(signedAt, lifetimes[kind].resign) ||
      now >= nextUpdate ||
      now < addSeconds(signedAt, -clockSkewSeconds)
    );
  };

  const keep = (issuer: Stored, { signature: _, ...record }: CrlRecord, bytes: Buffer): PublishedCrl => {
    const published = { ...record, der: bytes, maxAge: issuer.listMaxAge };
    kept.set(keyOf(record), published);
    return published;
  };

  /** The list of a record: as it was kept, or written again from the log. Undefined when the log has moved on. */
  const recall = async (issuer: Stored, record: CrlRecord, list: List): Promise<PublishedCrl | undefined> => {
    const known = kept.get(keyOf(record));
    if (known?.number === record.number) return { ...known, maxAge: issuer.listMaxAge };
    const bytes = await signer.rewrite(issuer, record, list);
    return bytes && keep(issuer, record, bytes);
  };

  /** Signs the next list, unless another is faster. One at a time: those that wait look again. */
  const publish = (issuer: Stored, before: CrlRecord, list: List): Promise<PublishedCrl | undefined> => {
    const key = keyOf(before);
    const running = publishing.get(key);
    if (running) return running.then(() => undefined);
    const work = async () => {
      await signer.requireUncontradicted(issuer, list);
      // Position and contents are taken at one moment: nothing is awaited between here and the draft.
      const at = wholeSeconds(clock());
      const record: CrlRecord = {
        ...before,
        number: before.number + 1n,
        signedAt: at,
        // Number 1 is the place of a list that was never signed.
        thisUpdate: thisUpdateOf(at, before.number > 1n ? before.thisUpdate : undefined),
        nextUpdate: addSeconds(at, lifetimes[issuer.kind].valid),
        sameSecond: before.signedAt.getTime() === at.getTime(),
        position: BigInt(log.position()),
      };
      const signed = await signer.sign(issuer, record, list, kept.get(key)?.der);
      const next = { ...record, signature: signed.signature };
      if (!(await store.swap(next, before.number))) return void signed.undo();
      refused.delete(key);
      return keep(issuer, next, signed.der);
    };
    const promise = work()
      .catch((error: unknown) => {
        if (error instanceof RefusedList) refused.set(key, error.message);
        alarm(error);
        throw error;
      })
      .finally(() => publishing.delete(key));
    publishing.set(key, promise);
    return promise;
  };

  const recordOf = async (issuer: Stored, scope: string): Promise<CrlRecord> => {
    const record = await store.find(issuer.id, scope);
    if (!record) throw new DomainError('not-found', `the issuer ${issuer.id} has no list ${scope}`);
    if (Number(record.position) > log.position()) await log.catchUp();
    requireLease();
    return record;
  };

  // INVARIANT: what is returned covers everything that was acknowledged before the call: it is judged by the log
  // as it is applied here, after the lease was found good.
  const current = async (issuer: Stored, scope: string): Promise<PublishedCrl> => {
    for (let attempt = 0; attempt < mostAttempts; attempt++) {
      const list = await lists.get(listOf(issuer, scope));
      const record = await recordOf(issuer, scope);
      const covers = Number(record.position) >= list.lastChange && record.signature.length > 0;
      if (covers && !isDue(issuer, record)) {
        const found = await recall(issuer, record, list);
        if (found) return found;
      }
      const published = await publish(issuer, record, list).catch(async (error: unknown) => {
        const old = covers ? await recall(issuer, record, list) : undefined;
        if (old) return old;
        throw error instanceof RefusedList ? new DomainError('list-refused', error.message) : error;
      });
      if (published) return published;
    }
    throw new DomainError('not-ready', 'other instances sign faster than this one can follow: try again', {
      retryAfter: 1,
    });
  };

  const requireFresh = <Crl extends PublishedCrl>(crl: Crl): Crl => {
    // INVARIANT: no list leaves past its nextUpdate (RFC 5280 §5.1.2.5).
    if (crl.nextUpdate > clock()) return crl;
    throw new DomainError('list-expired', 'no current list could be signed: look at /readyz and the log of the server');
  };

  const require = async (issuerId: string): Promise<Stored> => {
    const issuer = await findIssuer(issuerId);
    if (!issuer) throw new DomainError('not-found', `there is no issuer ${issuerId}`);
    return issuer;
  };

  /** The delta list beside a complete one, with its number and its times. */
  const deltaOf = async (issuer: Stored, complete: PublishedCrl): Promise<PublishedCrl | undefined> => {
    const list = await lists.get(listOf(issuer, 'delta'));
    const before = await store.find(issuer.id, 'delta');
    if (list.lastChange > Number(complete.position)) return undefined;
    if (before?.number === complete.number) return recall(issuer, before, list);
    const { der: _, maxAge: __, ...rest } = complete;
    const isYoung = before?.base && complete.signedAt < addSeconds(before.base.at, deltaBaseSeconds);
    const base = isYoung ? before.base : { ...complete, at: complete.signedAt };
    const record = { ...rest, scope: 'delta', url: null, base, signature: Buffer.alloc(0) };
    const signed = await signer.sign(issuer, record, list, undefined);
    const next = { ...record, signature: signed.signature };
    const isFirst = before ? await store.swap(next, before.number) : await store.insertDelta(next);
    return isFirst ? keep(issuer, next, signed.der) : undefined;
  };

  return {
    /** The list of an issuer or of one of its shards. @throws DomainError `not-found`, `list-expired`, `list-refused`, `not-ready` */
    async crl(issuerId: string, scope = 'complete'): Promise<PublishedCrl> {
      requireLease();
      return requireFresh(await current(await require(issuerId), scope));
    },

    /** What changed since an earlier complete list. Never served but under its own URL. @throws DomainError as `crl` */
    async delta(issuerId: string): Promise<PublishedCrl> {
      requireLease();
      const issuer = await require(issuerId);
      if (!issuer.deltaList)
        throw new DomainError('not-found', `the issuer ${issuerId} has no delta list: PATCH /v1/issuers/${issuerId}`);
      for (let attempt = 0; attempt < mostAttempts; attempt++) {
        const delta = await deltaOf(issuer, await current(issuer, 'complete'));
        if (delta) return requireFresh(delta);
      }
      throw new DomainError('not-ready', 'the list changes faster than its delta: try again', { retryAfter: 1 });
    },

    /** The complete lists of every unexpired authority of an account, root included: what TLS servers need. @throws DomainError as `crl` */
    async bundle(account: string): Promise<PublishedCrl[]> {
      requireLease();
      const crls: PublishedCrl[] = [];
      for (const issuer of await unexpiredIssuers(account)) crls.push(requireFresh(await current(issuer, 'complete')));
      return crls;
    },

    /** The contents of an issuer's complete list, covering what was acknowledged before the call. @throws DomainError `not-found`, `not-ready` */
    async contents(issuerId: string): Promise<{ issuer: Stored; list: List }> {
      const issuer = await require(issuerId);
      const list = await lists.get(listOf(issuer, 'complete'));
      requireLease();
      return { issuer, list };
    },

    /** Signs what runs out, long before it does. Called now and then on every instance. */
    async refresh(): Promise<void> {
      const margin = (kind: Kind) => addSeconds(clock(), lifetimes[kind].valid - lifetimes[kind].resign);
      const due = await store.runningOut({ root: margin('root'), issuing: margin('issuing') }, clock());
      for (const { issuerId, scope } of due) await current(await require(issuerId), scope).catch(alarm);
      const alarms = kinds.map(async (kind) => {
        const soonest = await store.soonestEnd(kind, clock());
        return soonest ? soonest.getTime() - (lifetimes[kind].valid - lifetimes[kind].alarm) * 1000 : Infinity;
      });
      alarmAt = Math.min(...(await Promise.all(alarms)));
    },

    /** @throws DomainError `not-ready` while a list could not be published, or is so old that it should have been */
    requireHealthy(): void {
      for (const [list, reason] of refused) throw notReady(`the list ${list} was not published: ${reason}`);
      if (clock().getTime() >= alarmAt)
        throw notReady('lists have not been signed for half of their life: look at the log of the server');
    },
  };
}

function keyOf({ issuerId, scope }: Pick<CrlRecord, 'issuerId' | 'scope'>): string {
  return `${issuerId} ${scope}`;
}

function notReady(why: string): DomainError {
  return new DomainError('not-ready', why, { retryAfter: 60 });
}
