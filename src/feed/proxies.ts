import { requirePermissions, type Grantee } from '../access/grantee.js';
import { noProxy, otherRegistrant } from '../access/registrant.js';
import type { Clock } from '../clock.js';
import { DomainError } from '../errors.js';
import { mostOfAccount, tooMany } from '../limits.js';
import { followAnew, parseCursor } from '../log/cursor.js';
import type { LogEntry } from '../log/entries.js';
import type { Proxy, ProxyStore } from './proxy-store.js';
import type { Enforcement, ReceiptStore, Unnoted } from './receipt-store.js';

type Deps = { store: ProxyStore; receipts: ReceiptStore; clock: Clock };

type Confirmation = {
  cursor: string;
  incarnation: string;
  mode: string;
  enforced?: string | undefined;
  sessionsClosed?: number | undefined;
};

/** An edge that enforces an entry, and since when. */
export type Enforcing = Enforcement & { since: Date };

/** An entry, the edges that enforce it, and those that do not. `enforced`: there are edges, and all of them do. */
export type Receipt = {
  entry: LogEntry;
  enforced: boolean;
  edges: Enforcement[];
  enforcedBy: Enforcing[];
  notEnforcedBy: Enforcement[];
};

export type Proxies = ReturnType<typeof createProxies>;

/** Edges that follow the feed, and what they say they have applied. */
export function createProxies({ store, receipts, clock }: Deps) {
  return {
    /**
     * Registers an edge by its name, which belongs to the key that came first. Whether it holds sessions is said now, once.
     * @throws DomainError `conflict`, `forbidden`, `too-many-requests`
     */
    async register(
      { account, id: keyId, session }: Grantee,
      name: string,
      sessions: boolean,
    ): Promise<{ proxy: Proxy; created: boolean }> {
      if (session) throw new DomainError('forbidden', 'an edge belongs to an API key: register it with one');
      const registered = await store.register(account, keyId, name, sessions, clock());
      if (!registered) throw tooMany('edges', mostOfAccount.proxies, 'DELETE /v1/proxies/{id} those that are no more');
      const { proxy } = registered;
      const taken = proxy.keyId !== keyId ? 'another key registered' : undefined;
      const other = proxy.sessions !== sessions ? `sessions is ${proxy.sessions} since the registration of` : undefined;
      const conflict = taken ?? other;
      if (conflict === undefined) return registered;
      throw new DomainError('conflict', `${conflict} ${name}: DELETE /v1/proxies/${proxy.id} frees the name`);
    },

    list: store.list,
    prune: receipts.prune,

    /** Forgets an edge. That of another key needs `keys:write`. @throws DomainError `not-found`, `forbidden` */
    async remove(grantee: Grantee, id: string): Promise<void> {
      const holder = await store.holderOf(grantee.account, id);
      if (holder !== undefined && holder !== grantee.id)
        requirePermissions(grantee, ['keys:write'], 'removing the edge of another key');
      if (!(await store.remove(grantee.account, id))) throw noProxy(id);
    },

    /** Notes how far an edge has applied the log. @throws DomainError `not-found`, `forbidden`, `epoch-changed`, `conflict`, `invalid-request` */
    async confirm({ account, id: keyId }: Grantee, id: string, { cursor, enforced, ...rest }: Confirmation) {
      const result = await receipts.confirm(account, keyId, id, {
        ...parseCursor(cursor),
        incarnation: rest.incarnation,
        mode: rest.mode,
        enforced: enforced === undefined ? undefined : parseCursor(enforced),
        sessionsClosed: rest.sessionsClosed,
      });
      if (typeof result === 'string') throw unnoted(result, id);
      return result;
    },

    /** Who enforces the entry at a position. @throws DomainError `not-found` */
    async receipt(account: string, position: number): Promise<Receipt> {
      const entry = await store.entry(account, position);
      if (!entry) throw new DomainError('not-found', `the log of this account has no entry ${position}`);
      const edges = await receipts.enforcement(account, position);
      const enforcedBy = edges.flatMap((edge) => enforcing(edge) ?? []);
      const notEnforcedBy = edges.filter((edge) => enforcing(edge) === undefined);
      const enforced = enforcedBy.length > 0 && notEnforcedBy.length === 0;
      return { entry, enforced, edges, enforcedBy, notEnforcedBy };
    },
  };
}

/**
 * A proxy that fell silent may have lost what it applied: it counts for nothing until it speaks again. With sessions, what it
 * applied says that it knows; what it enforces, that no live session contradicts it.
 */
function enforcing(edge: Enforcement): Enforcing | undefined {
  const since = edge.sessions ? edge.enforcedAt : edge.appliedAt;
  return edge.stale || since === null ? undefined : { ...edge, since };
}

function unnoted(why: Unnoted, id: string): DomainError {
  switch (why) {
    case 'unknown':
      return noProxy(id);
    case 'other-key':
      return otherRegistrant();
    case 'other-epoch':
      return followAnew();
    case 'ahead':
      return new DomainError('conflict', 'the log has not reached that cursor: confirm a cursor that you received');
    case 'unapplied':
      return new DomainError('conflict', 'enforced is beyond what is applied: confirm both, or enforced later');
    case 'without-sessions':
      return new DomainError(
        'invalid-request',
        'this proxy is registered without sessions: leave enforced and sessionsClosed out, or register it with sessions',
      );
  }
}
