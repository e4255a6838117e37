import { randomInt, randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { decisionOf, type Answer, type DeciderQuestion } from './answer.js';
import type { Change, Gate, Trust } from '../gate.js';
import { ControlPlaneError, createControlPlane, type Fetch } from './control-plane.js';
import { follow } from './follow.js';
import { createFollowedClock } from './followed-clock.js';
import { createGuests } from './guests.js';
import { createKnown, type SnapshotPage } from './known.js';
import { createKeeper } from './keeper.js';
import { createPrincipals } from './principals.js';
import { createReceipts } from './receipts.js';
import { createTrust } from './trust.js';

/** How {@link createDecider} follows the control plane. */
export type DeciderOptions = {
  /** Where Thingward is, such as `https://things.example.com`. */
  server: string;
  /** An API key of the role `edge`. */
  key: string;
  /** What this edge is called at the control plane. */
  name: string;
  /** A folder of its own, for restarts while the control plane is away. Made with mode 0700. */
  stateDir: string;
  /** How long decisions continue while the control plane is away, in milliseconds; 15 minutes by default. */
  trustForMs?: number | undefined;
  /** Whoever is there stays when that time is over; by default nobody does. */
  keepsLive?: boolean | undefined;
  /** It holds live sessions: what `gate.follow` enforces counts, not what it knows. */
  sessions?: boolean | undefined;
  /** Told of what went wrong; it is tried again. */
  onError?: ((error: Error) => void) | undefined;
  fetch?: Fetch | undefined;
  /** A monotonic clock and the wall clock of this machine, in milliseconds; by default those of this machine. */
  clocks?: { monotonic(): number; wall(): number } | undefined;
};

/** Decides in memory, by the same engine as the control plane. */
export type Decider = Awaited<ReturnType<typeof createDecider>>;

const tickMs = 1000;
const firstHeadMs = 15_000;
const systemClocks = { monotonic: () => performance.now(), wall: () => performance.timeOrigin + performance.now() };

/**
 * Follows the log of an account, and decides by it. Resolves at the first head of the control plane, or at once with what
 * `stateDir` has when the control plane is away. @throws Error when it has neither, or `stateDir` cannot be written
 * @example
 * const decider = await createDecider({ server: 'https://things.example.com', key, name: 'berlin-1', stateDir: './edge-state' });
 * const { decision } = await decider.decide({ principal: { token }, action: 'publish', resource: 'topic:a/b' });
 */
export async function createDecider(options: DeciderOptions) {
  const { server, key, name, stateDir, sessions = false, keepsLive = false, trustForMs = 900_000 } = options;
  const { monotonic, wall } = options.clocks ?? systemClocks;
  const onError = options.onError ?? (() => {});
  const incarnation = randomUUID();
  const ended = new AbortController();
  const controlPlane = createControlPlane({ server, key, fetch: options.fetch, ended: ended.signal });
  const clock = createFollowedClock(monotonic);
  const trust = createTrust({ monotonic, trustForMs });
  const known = createKnown(clock.now);
  const { cursor } = known;
  const principals = createPrincipals({ controlPlane, snapshot: known.snapshot, cursor, account: known.account });
  const guests = createGuests({ known, principals, trust, now: clock.now, monotonic, keepsLive });
  const receipts = createReceipts({ controlPlane, name, incarnation, sessions, cursor, monotonic, onError: noticed });
  const keeper = createKeeper({ stateDir, key, known, principals, trust, clock, wall, onError });
  const listeners = new Set<() => void>();

  function noticed(error: Error): void {
    if (ended.signal.aborted) return;
    if (error instanceof ControlPlaneError && error.failure === 'refused') refuse();
    onError(error);
  }

  const everything = (): Change => ({ cursor: cursor(), things: new Set(), everything: true, sessions: new Set() });
  const refuse = (): void => {
    if (trust.isRefused()) return;
    trust.refuse();
    receipts.changed(everything());
  };

  const load = async (pages: SnapshotPage[]): Promise<void> => {
    const again = await principals.readAgain(pages[0]!.cursor).catch((error: Error) => {
      noticed(error);
      return [];
    });
    // Together, so that nobody is judged by half of it.
    known.load(pages);
    principals.replace(again);
    guests.forget();
    receipts.changed(everything());
  };

  const head = (serverTime: number, isFirst: boolean): void => {
    if (isFirst) clock.reconnect(serverTime);
    else clock.hear(serverTime);
    trust.hear();
    receipts.reached();
    for (const listener of listeners) listener();
  };

  /** Work by the clock: who is not confirmed, what is to be written, what can be forgotten. */
  const tick = async (): Promise<void> => {
    const things = await guests.confirm();
    if (things.size > 0) receipts.changed({ cursor: cursor(), things, everything: false, sessions: new Set() });
    known.prune();
    await keeper.keep();
  };

  await keeper.restore();
  let ticking = Promise.resolve();
  const timer = setInterval(() => void (ticking = ticking.then(tick).catch(onError)), tickMs);
  timer.unref();
  const following = follow({
    controlPlane,
    known,
    ended: ended.signal,
    random: () => randomInt(1_000_000) / 1_000_000,
    pause: (ms, signal) => wait(ms, undefined, { signal }),
    head,
    load,
    applied(entry, change) {
      principals.apply(entry);
      receipts.changed(change);
    },
    refused: refuse,
    onError: noticed,
  });

  /** Resolves at the next head, or when the time is over. */
  const nextHead = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timeout);
        listeners.delete(done);
        resolve();
      };
      const timeout = setTimeout(done, ms);
      listeners.add(done);
    });

  const close = async (): Promise<void> => {
    ended.abort();
    clearInterval(timer);
    await Promise.all([following, ticking]);
    await keeper.keep(true);
  };

  if (trust.state() === 'starting') await nextHead(firstHeadMs);
  if (trust.state() === 'starting') {
    await close();
    throw new Error(`${server} does not answer, and ${stateDir} has nothing to decide by: ${keeper.reason()}`);
  }

  const gate: Gate = {
    identify: guests.identify,
    judge: guests.judge,
    standing: guests.standing,
    isIssued: (der) => known.issuers.isIssued(der),
    now: clock.now,
    trust: (): Trust => trust.state(),
    follow: receipts.follow,
  };

  return {
    gate,
    incarnation,

    /**
     * The answer that `POST /v1/authorize` gives at the same place in the log. A thing by its name is asked of the control plane.
     * @throws Error when the control plane has to be asked and does not answer
     */
    decide: (question: DeciderQuestion): Promise<Answer> =>
      decisionOf(question, { guests, controlPlane, now: clock.now }),

    /** Posts what changed of the sessions: the status of the answer, 0 for none. */
    async report(report: object): Promise<{ status: number }> {
      const id = receipts.proxyId();
      if (id === undefined) return { status: 0 };
      try {
        return { status: await controlPlane.tell(`/v1/proxies/${id}/sessions`, report) };
      } catch (error) {
        noticed(error as Error);
        return { status: error instanceof ControlPlaneError ? error.status : 0 };
      }
    },

    cursor,
    proxyId: receipts.proxyId,
    close,
  };
}
