import type { Grantee } from '../access/grantee.js';
import type { Clock } from '../clock.js';
import { DomainError } from '../errors.js';
import { everybody, type EntryOf, type LogEntry } from './entries.js';

/** Where a listener's bytes go. `false` from `write` says that they wait. */
export type Sink = { write(bytes: Buffer): boolean; waiting(): number; end(): void };

/** Who listens: an API key, which may have an end, or somebody who signed in. */
export type Follower = Pick<Grantee, 'account' | 'id' | 'expiresAt' | 'session'>;

type Listening = { follower: Follower; sink: Sink };

type Deps = {
  clock: Clock;
  /** What a listener counts for, how many of each may listen at once, and what to do instead. */
  places(follower: Follower): { name: string; what: string; most: number }[];
  instead: string;
};

/** Those who listen on this instance: counted, and cut when they may listen no longer. */
export function createListeners<Listener extends Listening>({ clock, places, instead }: Deps) {
  const listeners = new Set<Listener>();
  const counts = new Map<string, number>();

  const count = (name: string, by: 1 | -1): void => {
    const left = (counts.get(name) ?? 0) + by;
    if (left > 0) counts.set(name, left);
    else counts.delete(name);
  };

  const leave = (listener: Listener): void => {
    if (!listeners.delete(listener)) return;
    for (const { name } of places(listener.follower)) count(name, -1);
  };

  const cut = (listener: Listener): void => {
    leave(listener);
    listener.sink.end();
  };

  const hasExpired = ({ follower: { expiresAt, session } }: Listener): boolean =>
    (expiresAt !== null && expiresAt <= clock()) || session?.isLive(clock()) === false;

  return {
    leave,
    cut,
    hasExpired,
    has: (listener: Listener): boolean => listeners.has(listener),
    all: (): Iterable<Listener> => listeners,
    size: (): number => listeners.size,

    /** @throws DomainError `too-many-requests` */
    add(listener: Listener): void {
      const taken = places(listener.follower);
      const full = taken.find(({ name, most }) => (counts.get(name) ?? 0) >= most);
      if (full)
        throw new DomainError(
          'too-many-requests',
          `this ${full.what} has ${full.most} open streams on this instance: close some, or ${instead}`,
          { retryAfter: 30 },
        );
      listeners.add(listener);
      for (const { name } of taken) count(name, 1);
    },

    /** Ends the connections of keys and sessions that have expired. */
    endExpired(): void {
      for (const listener of listeners) if (hasExpired(listener)) cut(listener);
    },

    /** Ends all connections: the server stops, or the log is another one. */
    endAll(): void {
      for (const listener of listeners) cut(listener);
    },
  };
}

/** True when an entry changes a key, or takes its whole account away: whoever may still listen comes back. */
export function isAboutKey({ payload }: EntryOf<'key'>, { id, account }: Follower): boolean {
  return payload.id === id || (payload.account === account && payload.status !== 'active');
}

/** Whether the session of a listener is judged again: its page comes back with what the session may do now. */
export function isAboutSession(entry: LogEntry, { session }: Follower): boolean {
  if (!session || entry.type !== 'person' || ![session.person, everybody].includes(entry.payload.id)) return false;
  return entry.payload.session === undefined || entry.payload.session === session.id;
}
