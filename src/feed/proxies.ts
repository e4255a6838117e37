import { requirePermissions, type Grantee } from '../access/grantee.js';
import type { Clock } from '../clock.js';
import { DomainError } from '../errors.js';
import { mostOfAccount, tooMany } from '../limits.js';
import { followAnew, parseCursor } from '../log/cursor.js';
import type { LogEntry } from '../log/entries.js';
import type { Enforcement, Proxy, ProxyStore } from './proxy-store.js';

type Deps = { store: ProxyStore; clock: Clock };

type Confirmation = { cursor: string; incarnation: string; mode: string };

/** An edge that enforces an entry, and since when. */
export type Enforcing = Proxy & { since: Date };

/** An entry, the edges that enforce it, and those that do not. `enforced`: there are edges, and all of them do. */
export type Receipt = { entry: LogEntry; enforced: boolean; enforcedBy: Enforcing[]; notEnforcedBy: Proxy[] };

export type Proxies = ReturnType<typeof createProxies>;

/** Edges that follow the feed, and what they say they have applied. */
export function createProxies({ store, clock }: Deps) {
  return {
    /** Registers an edge by its name, which belongs to the key that came first. @throws DomainError `conflict`, `too-many-requests` */
    async register({ account, id: keyId }: Grantee, name: string): Promise<{ proxy: Proxy; created: boolean }> {
      const registered = await store.register(account, keyId, name, clock());
      if (!registered) throw tooMany('edges', mostOfAccount.proxies, 'DELETE /v1/proxies/{id} those that are no more');
      const { proxy } = registered;
      if (proxy.keyId === keyId) return registered;
      throw new DomainError(
        'conflict',
        `another key registered ${name}: DELETE /v1/proxies/${proxy.id} frees the name`,
      );
    },

    list: store.list,
    prune: store.prune,

    /** Forgets an edge. That of another key needs `keys:write`. @throws DomainError `not-found`, `forbidden` */
    async remove(grantee: Grantee, id: string): Promise<void> {
      const holder = await store.holderOf(grantee.account, id);
      if (holder !== undefined && holder !== grantee.id)
        requirePermissions(grantee, ['keys:write'], 'removing the edge of another key');
      if (!(await store.remove(grantee.account, id))) throw noProxy(id);
    },

    /** Notes how far an edge has applied the log. @throws DomainError `not-found`, `forbidden`, `epoch-changed`, `conflict` */
    async confirm({ account, id: keyId }: Grantee, id: string, { cursor, ...rest }: Confirmation): Promise<Proxy> {
      const result = await store.confirm(account, keyId, id, { ...parseCursor(cursor), ...rest });
      switch (result) {
        case 'unknown':
          throw noProxy(id);
        case 'other-key':
          throw new DomainError('forbidden', 'another key registered this proxy, and only that key can report for it');
        case 'other-epoch':
          throw followAnew();
        case 'ahead':
          throw new DomainError('conflict', 'the log has not reached that cursor: confirm a cursor that you received');
        default:
          return result;
      }
    },

    /** Who enforces the entry at a position. @throws DomainError `not-found` */
    async receipt(account: string, position: number): Promise<Receipt> {
      const entry = await store.entry(account, position);
      if (!entry) throw new DomainError('not-found', `the log of this account has no entry ${position}`);
      const edges = await store.enforcement(account, position);
      const enforcedBy = edges.filter(enforces);
      const notEnforcedBy = edges.filter((edge) => !enforces(edge));
      return { entry, enforced: enforcedBy.length > 0 && notEnforcedBy.length === 0, enforcedBy, notEnforcedBy };
    },
  };
}

/** A proxy that fell silent may have lost what it applied: it counts for nothing until it speaks again. */
function enforces(edge: Enforcement): edge is Enforcing {
  return !edge.stale && edge.since !== null;
}

function noProxy(id: string): DomainError {
  return new DomainError('not-found', `there is no proxy ${id}: POST /v1/proxies`);
}
