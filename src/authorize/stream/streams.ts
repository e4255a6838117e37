import type { Grantee } from '../../access/grantee.js';
import type { Clock } from '../../clock.js';
import { DomainError } from '../../errors.js';
import type { LogEntry } from '../../log/entries.js';

/** One open stream, as far as what ends it is concerned. */
export type OpenStream = { caller: Grantee; end(code: number, reason: string): void };

type Deps = {
  clock: Clock;
  /** How many may be open at once. */
  most: { perKey: number; perAccount: number };
};

/** The codes that a stream ends with: 1000 to 2999 are RFC 6455 §7.4.1, 4000 to 4999 are the application's. */
export const closeCodes = { stopping: 1001, notText: 1003, restart: 1012, keyChanged: 4401 } as const;

/** The open streams of an instance, each under the key that asked for it. */
export function createStreams({ clock, most }: Deps) {
  const open = new Set<OpenStream>();

  const endWhere = (isMeant: (stream: OpenStream) => boolean, code: number, reason: string): void => {
    for (const stream of open) {
      if (!isMeant(stream)) continue;
      open.delete(stream);
      stream.end(code, reason);
    }
  };

  return {
    /** @throws DomainError `too-many-requests` */
    requireRoom({ id, account }: Grantee): void {
      let [ofKey, ofAccount] = [0, 0];
      for (const { caller } of open) {
        if (caller.account === account) ofAccount++;
        if (caller.id === id) ofKey++;
      }
      if (ofKey < most.perKey && ofAccount < most.perAccount) return;
      const [what, limit] = ofKey >= most.perKey ? ['key', most.perKey] : ['account', most.perAccount];
      throw new DomainError(
        'too-many-requests',
        `this ${what} has ${limit} open streams on this instance: close some, or ask POST /v1/authorize/batch`,
        { retryAfter: 30 },
      );
    },

    /** Returns what takes it out again. */
    add(stream: OpenStream): () => void {
      open.add(stream);
      return () => void open.delete(stream);
    },

    /** A key that changed, and every key of an account that is no longer active, has to come back. */
    apply(entry: LogEntry): void {
      if (entry.type !== 'key') return;
      const { id, account, status } = entry.payload;
      const isAbout = ({ caller }: OpenStream) =>
        caller.id === id || (caller.account === account && status !== 'active');
      endWhere(isAbout, closeCodes.keyChanged, 'the key has changed: connect again');
    },

    endExpired(): void {
      const now = clock();
      const hasExpired = ({ caller: { expiresAt } }: OpenStream) => expiresAt !== null && expiresAt <= now;
      endWhere(hasExpired, closeCodes.keyChanged, 'the key has expired: use another one');
    },

    endAll: (code: number, reason: string): void => endWhere(() => true, code, reason),
  };
}
