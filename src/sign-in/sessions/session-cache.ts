import { LRUCache } from 'lru-cache';
import { eachPromise, type Grantee, type Session } from '../../access/grantee.js';
import { everybody, type LogEntry } from '../../log/entries.js';
import type { StoredPerson } from '../../people/store.js';
import type { StoredSession } from './session-store.js';

/** How long a session lives without its person, and at most. */
export const sessionLife = { idleMs: 30 * 60_000, mostMs: 12 * 3_600_000 };

/** How exactly the database knows when a person last did something. */
export const seenGranularityMs = 60_000;

/** A session with whoever is signed in by it. */
export type CachedSession = { grantee: Grantee & { session: Session }; person: StoredPerson };

type Deps = {
  load(hash: Buffer): Promise<{ session: StoredSession; person: StoredPerson } | undefined>;
  /** False while the log is not read, and what is remembered may be wrong. */
  mayRemember(): boolean;
  /** Stores when a person last did something. */
  saveSeen(id: string, at: Date): void;
};

export type SessionCache = ReturnType<typeof createSessionCache>;

/** Sessions that were used recently, by hash. Entries of the log drop them; they never outlive the lease. */
export function createSessionCache({ load, mayRemember, saveSeen }: Deps) {
  const sessions = new LRUCache<string, CachedSession>({ max: 10_000 });
  let drops = 0;

  const drop = (isDropped: (cached: CachedSession) => boolean): void => {
    drops++;
    for (const [hash, cached] of sessions) if (isDropped(cached)) sessions.delete(hash);
  };

  return {
    find: (hash: Buffer): CachedSession | undefined =>
      mayRemember() ? sessions.get(hash.toString('base64')) : undefined,

    async load(hash: Buffer): Promise<CachedSession | undefined> {
      const before = drops;
      const stored = await load(hash);
      if (!stored) return undefined;
      const cached = { grantee: toGrantee(stored.session, stored.person, saveSeen), person: stored.person };
      // What was dropped while this was read may have been this.
      if (before === drops && mayRemember()) sessions.set(hash.toString('base64'), cached);
      return cached;
    },

    /** A mark that stays the same while nothing is said about any person; undefined while the log is not read. */
    mark: (): number | undefined => (mayRemember() ? drops : undefined),

    clear(): void {
      drops++;
      sessions.clear();
    },

    /** Forgets the sessions of a person, or of an account, that an entry is about. */
    apply({ type, account, payload }: LogEntry): void {
      if (type === 'person') drop(({ person }) => isAbout(person, account, payload.id));
      else if (type === 'key' && payload.status !== 'deleted') drop(({ person }) => person.account === account);
    },
  };
}

function isAbout(person: StoredPerson, account: string, id: string): boolean {
  return person.id === id || (id === everybody && person.account === account);
}

function toGrantee(stored: StoredSession, person: StoredPerson, saveSeen: Deps['saveSeen']): CachedSession['grantee'] {
  const { id, methods, authenticatedAt, expiresAt, vouchedUntil } = stored;
  let seenAt = stored.lastSeenAt.getTime();
  let savedAt = seenAt;
  const session: Session = {
    id,
    person: person.id,
    methods,
    authenticatedAt,
    isLive: (at) =>
      at < expiresAt && at.getTime() < seenAt + sessionLife.idleMs && (vouchedUntil === null || at < vouchedUntil),
    touch(at) {
      seenAt = Math.max(seenAt, at.getTime());
      if (seenAt < savedAt + seenGranularityMs) return;
      savedAt = seenAt;
      saveSeen(id, at);
    },
  };
  return {
    kind: 'grantee',
    id,
    account: person.account,
    actor: `person:${person.id}`,
    role: person.role,
    permissions: new Set(person.permissions),
    // What a person makes may outlive their session.
    expiresAt: null,
    promises: eachPromise(false),
    session,
  };
}
