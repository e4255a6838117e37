import type { Change } from '../gate.js';
import type { ControlPlane } from './control-plane.js';
import { joinChanges } from './known.js';

type Deps = {
  controlPlane: Pick<ControlPlane, 'post' | 'tell'>;
  name: string;
  incarnation: string;
  /** An edge with live sessions: what it enforces counts, not what it knows. */
  sessions: boolean;
  cursor(): string;
  monotonic(): number;
  onError(error: Error): void;
};

export type Receipts = ReturnType<typeof createReceipts>;

const everyMs = 5000;

/** Tells the control plane how far this edge has applied the log, and how far no live session contradicts it. */
export function createReceipts({ controlPlane, name, incarnation, sessions, cursor, monotonic, onError }: Deps) {
  let enforce: ((change: Change) => Promise<number>) | undefined;
  let proxyId: string | undefined;
  let waiting: Change | undefined;
  let enforcing: Promise<void> | undefined;
  let enforced: string | undefined;
  let closed = 0;
  let told = { cursor: '', enforced: undefined as string | undefined, at: -Infinity };
  let telling: Promise<void> | undefined;

  const enforceAll = async (): Promise<void> => {
    while (waiting) {
      const change = waiting;
      waiting = undefined;
      // INVARIANT: `enforced` moves only when both sockets of every session that contradicts the change are destroyed.
      closed += (await enforce?.(change)) ?? 0;
      enforced = change.cursor;
      void tell();
    }
  };

  const isDue = (): boolean =>
    cursor() !== told.cursor || enforced !== told.enforced || closed > 0 || monotonic() - told.at >= everyMs;

  const tellAll = async (): Promise<void> => {
    proxyId ??= (await controlPlane.post<{ id: string }>('/v1/proxies', { name, sessions })).id;
    while (isDue()) {
      const now = { cursor: cursor(), enforced, at: monotonic() };
      const counted = closed;
      await controlPlane.tell(`/v1/proxies/${proxyId}/applied`, {
        cursor: now.cursor,
        incarnation,
        mode: 'stream',
        ...(sessions && enforced !== undefined ? { enforced, sessionsClosed: counted } : {}),
      });
      closed -= counted;
      told = now;
    }
  };

  /** One receipt at a time: the last says it all. */
  const tell = (): Promise<void> =>
    (telling ??= tellAll()
      .catch(onError)
      .finally(() => (telling = undefined)));

  return {
    /** Who ends live sessions. */
    follow: (by: (change: Change) => Promise<number>): void => void (enforce = by),

    /** A change that is applied: it is enforced, and both are told. */
    changed(change: Change): void {
      waiting = joinChanges(waiting, change);
      enforcing ??= enforceAll()
        .catch(onError)
        .finally(() => (enforcing = undefined));
      void tell();
    },

    /** The log is read up to a place, and nothing changed: what was enforced before is enforced up to there. */
    reached(): void {
      if (!waiting && !enforcing) enforced = cursor();
      void tell();
    },

    /** The name of this edge at the control plane; undefined until it is registered. */
    proxyId: (): string | undefined => proxyId,
  };
}
