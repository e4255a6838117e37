import type { Permission } from '../access/permissions.js';
import type { Clock } from '../clock.js';
import { createListeners, isAboutKey, isAboutSession, type Follower, type Sink } from '../log/listeners.js';
import { mostStaleStreams } from '../limits.js';
import type { LogEntry } from '../log/entries.js';
import { kindNames, kinds, type StaleKind } from './kinds.js';

type Reader = Follower & { permissions: ReadonlySet<Permission> };

type Listener = {
  follower: Reader;
  sink: Sink;
  /** Not before what it missed was told. */
  isLive: boolean;
  /** What it hears once the kind has rested. */
  waiting: Set<StaleKind>;
  toldAt: Map<StaleKind, number>;
};

type Deps = { clock: Clock; cursor(): string };

// A tab that has not taken this much is cut: it comes back, and reads everything again.
const mostWaitingBytes = 64 * 1024;

export type StaleStream = ReturnType<typeof createStaleStream>;

/** Those who are told what became stale: each only of kinds that they may read. */
export function createStaleStream({ clock, cursor }: Deps) {
  const listeners = createListeners<Listener>({
    clock,
    places: ({ id, account, session }) => [
      { name: `person ${session?.person ?? id}`, what: 'person', most: mostStaleStreams.ofPerson },
      { name: `account ${account}`, what: 'account', most: mostStaleStreams.ofAccount },
    ],
    instead: 'read again now and then',
  });

  const send = (listener: Listener, event: 'stale' | 'head', data: object): void => {
    const id = cursor();
    listener.sink.write(
      Buffer.from(`id: ${id}\nevent: ${event}\ndata: ${JSON.stringify({ ...data, cursor: id })}\n\n`),
    );
    if (listener.sink.waiting() > mostWaitingBytes) listeners.cut(listener);
  };

  const tell = (listener: Listener): void => {
    if (!listener.isLive || listener.waiting.size === 0) return;
    const now = clock().getTime();
    const due = kindNames.filter((kind) => {
      const told = listener.toldAt.get(kind);
      return listener.waiting.has(kind) && (told === undefined || now - told >= kinds[kind].restMs);
    });
    if (due.length === 0) return;
    for (const kind of due) {
      listener.waiting.delete(kind);
      listener.toldAt.set(kind, now);
    }
    send(listener, 'stale', { kinds: due });
  };

  return {
    endExpired: listeners.endExpired,
    endAll: listeners.endAll,
    size: listeners.size,
    accounts: (): string[] => [...new Set([...listeners.all()].map(({ follower }) => follower.account))],

    /** Notes kinds for an account, or for everybody; `person` has them noted for that person alone. */
    mark(account: string | undefined, changed: Iterable<StaleKind>, person?: string): void {
      const all = [...changed];
      for (const { follower, waiting } of listeners.all()) {
        if (account !== undefined && follower.account !== account) continue;
        if (person !== undefined && follower.session?.person !== person) continue;
        for (const kind of all) if (mayKnow(follower, kind)) waiting.add(kind);
      }
    },

    /** Tells everybody what has waited long enough. */
    flush(): void {
      for (const listener of listeners.all()) tell(listener);
    },

    /** Says how far everything is known, which also keeps connections from falling asleep. */
    head(): void {
      for (const listener of listeners.all()) if (listener.isLive) send(listener, 'head', {});
    },

    /** Ends the streams of whoever the log says may have lost something: they come back with what they may do now. */
    judge(entry: LogEntry): void {
      for (const listener of listeners.all()) {
        const { follower } = listener;
        const isOfKey = entry.type === 'key' && follower.account === entry.account && isAboutKey(entry, follower);
        if (isOfKey || isAboutSession(entry, follower) || listeners.hasExpired(listener)) listeners.cut(listener);
      }
    },

    /** Adds a listener that hears nothing yet. @throws DomainError `too-many-requests` */
    join(follower: Reader, sink: Sink) {
      const listener: Listener = { follower, sink, isLive: false, waiting: new Set(), toldAt: new Map() };
      listeners.add(listener);
      return {
        isIn: () => listeners.has(listener),
        leave: () => listeners.leave(listener),
        /** Says where it is, and then what it missed. One that begins reads everything after this word: what was before it is no news. */
        live(missed: Iterable<StaleKind> | undefined): void {
          if (missed === undefined) listener.waiting.clear();
          for (const kind of missed ?? []) if (mayKnow(follower, kind)) listener.waiting.add(kind);
          listener.isLive = true;
          if (!listeners.has(listener)) return;
          send(listener, 'head', {});
          tell(listener);
        },
      };
    },
  };
}

function mayKnow({ permissions }: Reader, kind: StaleKind): boolean {
  const { needs } = kinds[kind];
  return needs === undefined || permissions.has(needs);
}
