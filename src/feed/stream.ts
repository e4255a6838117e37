import type { Clock } from '../clock.js';
import { createListeners, isAboutKey, isAboutSession, type Follower, type Sink } from '../log/listeners.js';
import type { LogEntry } from '../log/entries.js';

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
  const listeners = createListeners<Listener>({
    clock,
    places: ({ id, account }) => [
      { name: `key ${id}`, what: 'key', most: most.perKey },
      { name: `account ${account}`, what: 'account', most: most.perAccount },
    ],
    instead: 'poll GET /v1/revocations',
  });
  const { cut, leave, hasExpired } = listeners;

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
      for (const listener of listeners.all()) {
        if (listener.follower.account !== entry.account) continue;
        if (hasExpired(listener) || isAboutSession(entry, listener.follower)) {
          cut(listener);
          continue;
        }
        bytes ??= entryBytes(entry);
        // Nobody is shown it, and still it may end whoever comes next.
        if (!bytes) continue;
        if (listener.queue) {
          listener.queue.push({ position: entry.position, bytes });
          listener.queuedBytes += bytes.length;
          if (listener.queue.length > mostWaitingEntries || listener.queuedBytes > mostQueuedBytes) cut(listener);
        } else if (entry.position > listener.sent) send(listener, bytes);
        if (entry.type === 'key' && isAboutKey(entry, listener.follower)) cut(listener);
      }
    },

    /** Tells every listener how far the log is read, which also keeps connections from falling asleep. */
    head(position: number): void {
      const bytes = headBytes(position);
      // A listener that has read on from the database is ahead of the log here, and not told to go back.
      for (const listener of listeners.all()) if (!listener.queue && listener.sent <= position) send(listener, bytes);
    },

    endExpired: listeners.endExpired,

    /**
     * Adds a listener that hears nothing yet: what comes waits until `live` is told how far the past was sent, which
     * is the first head that the listener gets. @throws DomainError `too-many-requests`
     */
    join(follower: Follower, sink: Sink): Membership {
      const listener: Listener = { follower, sink, sent: 0, queue: [], queuedBytes: 0 };
      listeners.add(listener);
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

    endAll: listeners.endAll,
    size: listeners.size,
  };
}

/** A place among the listeners. */
export type Membership = { live(sent: number): void; leave(): void; isIn(): boolean };
