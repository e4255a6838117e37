import type { Grantee } from '../access/grantee.js';
import type { Clock } from '../clock.js';
import { DomainError } from '../errors.js';
import { everybody, type EntryOf, type LogEntry } from '../log/entries.js';

/** Where a listener's bytes go. `false` from `write` says that they wait. */
export type Sink = { write(bytes: Buffer): boolean; waiting(): number; end(): void };

/** Who listens: an API key, which may have an end, or somebody who signed in. */
export type Follower = Pick<Grantee, 'account' | 'id' | 'expiresAt' | 'session'>;

type Listener = {
  follower: Follower;
  sink: Sink;
  /** How far the past was sent: the database may be ahead of the log as it is applied here. */
  sent: number;
  /** What came while the past was being sent; undefined once it was. */
  queue: { position: number; bytes: Buffer }[] | undefined;
  queuedBytes: number;
};

// A listener that has not taken this much is cut: it comes back with its cursor and reads what it missed.
const mostWaitingBytes = 1024 * 1024;
const mostWaitingEntries = 10_000;
const mostQueuedBytes = 4 * 1024 * 1024;

export type Stream = ReturnType<typeof createStream>;

/** What a kind of follower is shown. */
export type View = {
  /** An entry as it is pushed; undefined for those that are not shown. */
  of(entry: LogEntry): object | undefined;
  /** What a head says beside its place. */
  beside?(): object;
  /** Types of entries that are not shown. */
  hides: readonly LogEntry['type'][];
  /** Where a follower starts again whose cursor leads nowhere. */
  snapshot: string;
};

type Deps = {
  clock: Clock;
  cursorAt(position: number): string;
  view: Pick<View, 'of' | 'beside'>;
  /** How many may listen at once. */
  most: { perKey: number; perAccount: number };
};

/** The log, pushed: every entry is written out once, whatever the number of listeners. */
export function createStream({ clock, cursorAt, most, view }: Deps) {
  const listeners = new Set<Listener>();
  const counts = createCounts();

  const leave = (listener: Listener): void => {
    if (!listeners.delete(listener)) return;
    for (const name of namesOf(listener.follower)) counts.take(name);
  };

  const cut = (listener: Listener): void => {
    leave(listener);
    listener.sink.end();
  };

  const hasExpired = ({ follower: { expiresAt, session } }: Listener): boolean =>
    (expiresAt !== null && expiresAt <= clock()) || session?.isLive(clock()) === false;

  const requireRoom = (follower: Follower): void => {
    const [ofKey, ofAccount] = namesOf(follower);
    if (counts.of(ofKey) < most.perKey && counts.of(ofAccount) < most.perAccount) return;
    const [what, limit] = counts.of(ofKey) >= most.perKey ? ['key', most.perKey] : ['account', most.perAccount];
    throw new DomainError(
      'too-many-requests',
      `this ${what} has ${limit} open streams on this instance: close some, or poll GET /v1/revocations`,
      { retryAfter: 30 },
    );
  };

  const send = (listener: Listener, bytes: Buffer): void => {
    listener.sink.write(bytes);
    if (listener.sink.waiting() > mostWaitingBytes) cut(listener);
  };

  const entryBytes = (entry: LogEntry): Buffer | undefined => {
    const shown = view.of(entry);
    return shown && Buffer.from(`id: ${cursorAt(entry.position)}\ndata: ${JSON.stringify(shown)}\n\n`);
  };

  const headBytes = (position: number): Buffer => {
    const head = { position, cursor: cursorAt(position), ...view.beside?.() };
    return Buffer.from(`event: head\ndata: ${JSON.stringify(head)}\n\n`);
  };

  return {
    entryBytes,

    /** Tells every listener of an account about an entry. */
    push(entry: LogEntry): void {
      let bytes: Buffer | undefined;
      for (const listener of listeners) {
        if (listener.follower.account !== entry.account) continue;
        if (hasExpired(listener) || isOfSession(entry, listener.follower)) {
          cut(listener);
          continue;
        }
        bytes ??= entryBytes(entry);
        if (!bytes) return;
        if (listener.queue) {
          listener.queue.push({ position: entry.position, bytes });
          listener.queuedBytes += bytes.length;
          if (listener.queue.length > mostWaitingEntries || listener.queuedBytes > mostQueuedBytes) cut(listener);
        } else if (entry.position > listener.sent) send(listener, bytes);
        if (entry.type === 'key' && isAbout(entry, listener)) cut(listener);
      }
    },

    /** Tells every listener how far the log is read, which also keeps connections from falling asleep. */
    head(position: number): void {
      const bytes = headBytes(position);
      // A listener that has read on from the database is ahead of the log here, and not told to go back.
      for (const listener of listeners) if (!listener.queue && listener.sent <= position) send(listener, bytes);
    },

    /** Ends the connections of keys that have expired. */
    endExpired(): void {
      for (const listener of listeners) if (hasExpired(listener)) cut(listener);
    },

    /**
     * Adds a listener that hears nothing yet: what comes waits until `live` is told how far the past was sent, which
     * is the first head that the listener gets. @throws DomainError `too-many-requests`
     */
    join(follower: Follower, sink: Sink): Membership {
      requireRoom(follower);
      const listener: Listener = { follower, sink, sent: 0, queue: [], queuedBytes: 0 };
      listeners.add(listener);
      for (const name of namesOf(follower)) counts.add(name);
      return {
        live(sent) {
          if (!listeners.has(listener)) return;
          const waiting = listener.queue ?? [];
          listener.queue = undefined;
          listener.sent = sent;
          send(listener, headBytes(sent));
          for (const { position, bytes } of waiting)
            if (position > sent && listeners.has(listener)) send(listener, bytes);
        },
        leave: () => leave(listener),
        isIn: () => listeners.has(listener),
      };
    },

    /** Ends all connections: the server stops, or the log is another one. */
    endAll(): void {
      for (const listener of listeners) cut(listener);
    },

    size: (): number => listeners.size,
  };
}

/** A place among the listeners. */
export type Membership = { live(sent: number): void; leave(): void; isIn(): boolean };

/** True when an entry changes a key, or takes its whole account away: whoever may still listen comes back. */
function isAbout({ payload }: EntryOf<'key'>, { follower: { id, account } }: Listener): boolean {
  return payload.id === id || (payload.account === account && payload.status !== 'active');
}

/** Whether the session of a listener is judged again: its page comes back with what the session may do now. */
function isOfSession(entry: LogEntry, { session }: Follower): boolean {
  if (!session || entry.type !== 'person' || ![session.person, everybody].includes(entry.payload.id)) return false;
  return entry.payload.session === undefined || entry.payload.session === session.id;
}

const namesOf = ({ id, account }: Follower): [string, string] => [`key ${id}`, `account ${account}`];

/** Counts by name; what is at zero is gone. */
function createCounts() {
  const counts = new Map<string, number>();
  return {
    of: (name: string): number => counts.get(name) ?? 0,
    add: (name: string): void => void counts.set(name, (counts.get(name) ?? 0) + 1),
    take(name: string): void {
      const left = (counts.get(name) ?? 0) - 1;
      if (left > 0) counts.set(name, left);
      else counts.delete(name);
    },
  };
}
