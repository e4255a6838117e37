import { parseCursor } from '../../log/cursor.js';
import type { Change } from '../gate.js';
import { ControlPlaneError, type ControlPlane } from './control-plane.js';
import { createEnforcement } from './enforcement.js';

type Deps = {
  controlPlane: Pick<ControlPlane, 'post' | 'tell'>;
  name: string;
  incarnation: string;
  /** An edge with live sessions: what it enforces counts, not what it knows. */
  sessions: boolean;
  cursor(): string;
  monotonic(): number;
  /** False while a live guest is here about whom nothing is known. */
  isClear(): boolean;
  /** False while live sessions are not known: no word is better than an old one, and a receipt without words goes stale. */
  speaks?: (() => boolean) | undefined;
  onError(error: Error): void;
  /** A receipt arrived. */
  onSound(): void;
  /** Sessions could not be ended; it is tried again. */
  notEnded(error: Error): void;
  ended(): void;
};

export type Receipts = ReturnType<typeof createReceipts>;

const everyMs = 5000;

/** Tells the control plane how far this edge has applied the log, and how far no live session contradicts it. */
export function createReceipts(deps: Deps) {
  const { controlPlane, name, incarnation, sessions, cursor, monotonic, speaks = () => true, onError, onSound } = deps;
  let proxyId: string | undefined;
  let told = { cursor: '', enforced: undefined as string | undefined, at: -Infinity };
  let telling: Promise<void> | undefined;
  const enforcement = createEnforcement({
    ...deps,
    moved: () => void tell(),
    onError: deps.notEnded,
    onSound: deps.ended,
  });

  const isDue = (): boolean =>
    speaks() &&
    (cursor() !== told.cursor || enforcement.enforced() !== told.enforced || monotonic() - told.at >= everyMs);

  const tellAll = async (): Promise<void> => {
    // What is enforced at once is said together with what is applied.
    await new Promise((resolve) => setImmediate(resolve));
    while (isDue()) {
      proxyId ??= (await controlPlane.post<{ id: string }>('/v1/proxies', { name, sessions })).id;
      // In this order: nothing is said to be enforced that is not said to be applied.
      const enforced = enforcement.enforced();
      const now = { enforced, cursor: cursor(), at: monotonic() };
      const closed = enforcement.takeClosed();
      // After a restored backup, what was enforced is of another history until everything was enforced once.
      const isSame = enforced !== undefined && parseCursor(enforced).epoch === parseCursor(now.cursor).epoch;
      const beside = sessions && isSame ? { enforced, sessionsClosed: closed } : {};
      try {
        const body = { cursor: now.cursor, incarnation, mode: 'stream', ...beside };
        await controlPlane.tell(`/v1/proxies/${proxyId}/applied`, body);
      } catch (error) {
        enforcement.putBack(closed);
        // It was removed: the next one registers again.
        if (error instanceof ControlPlaneError && error.status === 404) proxyId = undefined;
        throw error;
      }
      told = now;
      onSound();
    }
  };

  /** One receipt at a time: the last says it all. */
  const tell = (): Promise<void> =>
    (telling ??= tellAll()
      .catch(onError)
      .finally(() => (telling = undefined)));

  return {
    /** Who ends live sessions. */
    follow: enforcement.follow,

    /** Registers this edge. @throws ControlPlaneError */
    async register(): Promise<void> {
      proxyId ??= (await controlPlane.post<{ id: string }>('/v1/proxies', { name, sessions })).id;
    },

    /** A change that is applied: it is enforced, and both are told. */
    changed(change: Change): void {
      enforcement.changed(change);
      void tell();
    },

    /** The log is read up to a place, and nothing changed: what was enforced before is enforced up to there. */
    reached(): void {
      enforcement.reached();
      void tell();
    },

    /** The name of this edge at the control plane; undefined until it is registered. */
    proxyId: (): string | undefined => proxyId,

    /** Resolves when nothing is on its way. */
    settled: async (): Promise<void> => void (await telling),
  };
}

/** The receipts of several holders as those of one. */
export function joinReceipts(each: readonly Receipts[]): Receipts {
  return {
    follow: (enforce) => each.forEach((receipts) => receipts.follow(enforce)),
    async register(): Promise<void> {
      for (const receipts of each) await receipts.register();
    },
    changed: (change) => each.forEach((receipts) => receipts.changed(change)),
    reached: () => each.forEach((receipts) => receipts.reached()),
    proxyId: () => undefined,
    settled: async (): Promise<void> => void (await Promise.all(each.map((receipts) => receipts.settled()))),
  };
}
