import type { LogEntry } from '../log/reader.js';
import { describeEntry } from './feed-entry.js';

/** Where a listener's bytes go. `false` from `write` says that they wait. */
export type Sink = { write(bytes: Buffer): boolean; waiting(): number; end(): void };

type Listener = {
  account: string;
  keyId: string;
  sink: Sink;
  /** How far the past was sent: the database may be ahead of the log as it is applied here. */
  sent: number;
  /** What came while the past was being sent; undefined once it was. */
  queue: { position: number; bytes: Buffer }[] | undefined;
};

// A listener that has not taken this much is cut: it comes back with its cursor and reads what it missed.
const mostWaitingBytes = 1024 * 1024;
const mostWaitingEntries = 10_000;

export type Stream = ReturnType<typeof createStream>;

/** The log, pushed: every entry is written out once, whatever the number of listeners. */
export function createStream(cursorAt: (position: number) => string) {
  const listeners = new Set<Listener>();

  const cut = (listener: Listener): void => {
    listeners.delete(listener);
    listener.sink.end();
  };

  const send = (listener: Listener, bytes: Buffer): void => {
    listener.sink.write(bytes);
    if (listener.sink.waiting() > mostWaitingBytes) cut(listener);
  };

  const entryBytes = (entry: LogEntry): Buffer =>
    Buffer.from(`id: ${cursorAt(entry.position)}\ndata: ${JSON.stringify(describeEntry(entry))}\n\n`);

  const headBytes = (position: number): Buffer =>
    Buffer.from(`event: head\ndata: ${JSON.stringify({ position, cursor: cursorAt(position) })}\n\n`);

  return {
    entryBytes,

    /** Tells every listener of an account about an entry. */
    push(entry: LogEntry): void {
      let bytes: Buffer | undefined;
      for (const listener of listeners) {
        if (listener.account !== entry.account) continue;
        bytes ??= entryBytes(entry);
        if (listener.queue) {
          listener.queue.push({ position: entry.position, bytes });
          if (listener.queue.length > mostWaitingEntries) cut(listener);
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

    /**
     * Adds a listener that hears nothing yet: what comes waits until `live` is told how far the past was sent, which
     * is the first head that the listener gets.
     */
    join(account: string, keyId: string, sink: Sink): { live(sent: number): void; leave(): void } {
      const listener: Listener = { account, keyId, sink, sent: 0, queue: [] };
      listeners.add(listener);
      return {
        live(sent) {
          const waiting = listener.queue ?? [];
          listener.queue = undefined;
          listener.sent = sent;
          send(listener, headBytes(sent));
          for (const { position, bytes } of waiting)
            if (position > sent && listeners.has(listener)) send(listener, bytes);
        },
        leave: () => void listeners.delete(listener),
      };
    },

    /** Ends all connections: the server stops, or the log is another one. */
    endAll(): void {
      for (const listener of listeners) cut(listener);
    },

    size: (): number => listeners.size,
  };
}

/** True when an entry takes a key, or its whole account, away. */
function isAbout({ payload }: LogEntry, { keyId, account }: Listener): boolean {
  return payload['id'] === keyId || (payload['account'] === account && payload['status'] === 'suspended');
}
