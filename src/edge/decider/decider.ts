import { randomInt, randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { systemClock } from '../../clock.js';
import type { Change, Gate } from '../gate.js';
import { createAnswers } from './answer.js';
import { createBeginning, refusedStart } from './beginning.js';
import { ControlPlaneError, createControlPlane, type Fetch } from './control-plane.js';
import { follow, type Fresh } from './follow.js';
import { createFollowedClock } from './followed-clock.js';
import { createGuests } from './guests.js';
import { createIssuerReader } from './issuers.js';
import { createKeeper } from '../state/keeper.js';
import { createKnown } from './known.js';
import { createPrincipals } from './principals.js';
import type { PrincipalAnswer } from './principal-queue.js';
import { createReach } from './reach.js';
import { createReceipts } from './receipts.js';
import type { Trouble } from '../trouble.js';
import { createTrust } from './trust.js';

export type { Answer } from './answer.js';

/** How {@link createDecider} follows the control plane. */
export type DeciderOptions = {
  /** Where Thingward is, such as `https://things.example.com`. */
  server: string;
  /** An API key of the role `edge`. */
  key: string;
  /** What this edge is called at the control plane. */
  name: string;
  /** A folder that no other edge uses, for restarts while the control plane is away. Made with mode 0700. */
  stateDir: string;
  /** How long decisions continue while the control plane is away, in milliseconds; 15 minutes by default. */
  trustForMs?: number | undefined;
  /** When that time is over, live guests stay; by default nobody does. */
  keepsLive?: boolean | undefined;
  /** It holds live sessions: what `gate.follow` enforces counts, not what it knows. */
  sessions?: boolean | undefined;
  /** Told of what went wrong, and with what; it is tried again. */
  onError?: ((error: Error, of: Trouble) => void) | undefined;
  /** Told whenever something works: after an error it works again. */
  onSound?: ((of: Trouble) => void) | undefined;
  fetch?: Fetch | undefined;
  /** A monotonic clock, in milliseconds; by default the one of this machine. */
  now?: (() => number) | undefined;
  /** The wall clock of this machine, in milliseconds since 1970: it counts over restarts alone. */
  wall?: (() => number) | undefined;
};

/** Decides in memory, by the same engine as the control plane. */
export type Decider = Awaited<ReturnType<typeof createDecider>>;

const tickMs = 250;
const pruneEveryMs = 60_000;

/**
 * Follows the log of an account, and decides by it. Resolves when it is up to date, or with what `stateDir` has when the control
 * plane does not answer.
 * @throws EdgeStartError when it has neither, another edge uses `stateDir`, the key is refused, or the name belongs to another key
 * @example
 * const decider = await createDecider({ server: 'https://things.example.com', key, name: 'berlin-1', stateDir: 'state' });
 *
 * const { decision } = await decider.decide({ principal: { token }, action: 'publish', resource: 'topic:a/b' });
 */
export async function createDecider(options: DeciderOptions) {
  const { server, key, name, stateDir, sessions = false, keepsLive = false, trustForMs = 900_000 } = options;
  const { now: monotonic = () => performance.now(), wall = () => systemClock().getTime() } = options;
  const incarnation = randomUUID();
  const ended = new AbortController();
  const controlPlane = createControlPlane({ server, key, fetch: options.fetch, ended: ended.signal });
  const clock = createFollowedClock(monotonic);
  const trust = createTrust({ monotonic, trustForMs });
  const known = createKnown(clock.now);
  const { cursor } = known;
  const reach = createReach(known);
  const principals = createPrincipals({
    controlPlane,
    snapshot: known.snapshot,
    cursor,
    account: known.account,
    learned: (shown, position) => keeper.learned(shown, position),
  });
  const guests = createGuests({
    known,
    principals,
    trust,
    now: clock.now,
    monotonic,
    keepsLive,
    refused: refuse,
    settled: (things) => receipts.changed({ cursor: cursor(), things, everything: false, sessions: new Set() }),
  });
  const receipts = createReceipts({
    controlPlane,
    name,
    incarnation,
    sessions,
    cursor,
    monotonic,
    isClear: guests.isClear,
    ...troubleOf('receipts'),
    notEnded: failing('sessions'),
    ended: working('sessions'),
  });
  const keeper = createKeeper({
    stateDir,
    key,
    known,
    principals,
    trust,
    clock,
    monotonic,
    wall,
    ...troubleOf('state'),
  });
  const issuers = createIssuerReader({ controlPlane, known, monotonic, ...troubleOf('authorities') });
  const beginning = createBeginning({ server, reason: keeper.reason, trust: trust.state });
  let state = trust.state();
  let prunedAt = monotonic();
  function noticed(error: Error, of: Trouble): void {
    if (ended.signal.aborted) return;
    if (error instanceof ControlPlaneError && error.failure === 'refused') refuse();
    options.onError?.(error, of);
    beginning.failed(error);
  }

  function failing(of: Trouble): (error: Error) => void {
    return (error) => noticed(error, of);
  }

  function working(of: Trouble): () => void {
    return () => options.onSound?.(of);
  }

  function troubleOf(of: Trouble) {
    return { onError: failing(of), onSound: working(of) };
  }

  function refuse(): void {
    trust.refuse();
    look();
  }

  const everything = (): Change => ({ cursor: cursor(), things: new Set(), everything: true, sessions: new Set() });

  /** What is known counts, or does not: live guests are looked at when that changes. */
  function look(): void {
    const before = state;
    state = trust.state();
    if (state === before || !known.isLoaded()) return;
    const isOver = (each: typeof state): boolean => each === 'spent' || each === 'refused';
    if (isOver(state) || isOver(before)) receipts.changed(everything());
  }

  const load = ({ pages, holders, since }: Fresh): void => {
    // Together, so that nobody is judged by half of it.
    known.load(pages);
    principals.replace(holders);
    for (const view of since) {
      const entry = known.apply(view);
      if (entry) principals.apply(entry);
    }
    guests.forget();
    keeper.replaced();
    receipts.changed(everything());
  };

  /** The public address of the control plane is another one: tokens with the earlier one count no longer, as there. */
  const issuer = (said: string): void => {
    if (!known.renewTokenIssuer(said)) return;
    guests.forgetTokens();
    keeper.replaced();
    receipts.changed(everything());
  };

  const head = (serverTime: number, isFirst: boolean): void => {
    if (isFirst) clock.reconnect(serverTime);
    else clock.hear(serverTime);
    trust.hear(clock.saidAt(serverTime));
    look();
    receipts.reached();
    issuers.renew(known.hasOldIssuers());
    reach.moved();
    beginning.heard();
    options.onSound?.('following');
  };

  /** Work by the clock: trust that ends, what waits to be written, what can be forgotten. */
  const tick = async (): Promise<void> => {
    look();
    if (monotonic() - prunedAt >= pruneEveryMs) {
      prunedAt = monotonic();
      known.prune();
    }
    await keeper.keep();
  };

  await keeper.restore();
  state = trust.state();
  let ticking = Promise.resolve();
  const timer = setInterval(() => void (ticking = ticking.then(tick).catch(failing('state'))), tickMs);
  timer.unref();
  const following = follow({
    controlPlane,
    known,
    ended: ended.signal,
    random: () => randomInt(1_000_000) / 1_000_000,
    pause: (ms, signal) => wait(ms, undefined, { signal }),
    head,
    readHolders: (atLeast) =>
      principals.readAgain(atLeast).catch((error: Error): PrincipalAnswer[] => {
        noticed(error, 'questions');
        return [];
      }),
    load,
    issuer,
    applied(entry, view, change) {
      principals.apply(entry);
      keeper.applied(view);
      receipts.changed(change);
      reach.moved();
    },
    onError: failing('following'),
  });

  const end = async (): Promise<void> => {
    ended.abort();
    clearInterval(timer);
    guests.close();
    await Promise.all([following, ticking, receipts.settled()]);
    await keeper.keep(true).finally(keeper.release);
  };
  let ending: Promise<void> | undefined;
  // Once: who comes after may have written to the folder since.
  const close = (): Promise<void> => (ending ??= end());

  try {
    await beginning.done();
    if (trust.state() === 'live') await receipts.register().catch((error: unknown) => unlessAway(server, error));
  } catch (error) {
    await close().catch(() => {});
    throw error;
  }

  const gate: Gate = {
    ...guests.gate,
    isIssued: issuers.isIssued,
    now: clock.now,
    trust: trust.state,
    follow: receipts.follow,
  };

  return {
    gate,
    incarnation,

    /**
     * The answer that `POST /v1/authorize` gives at the same place in the log, at once where nothing has to be asked. What cannot be
     * decided is a deny with the reason `cannot-decide`. A thing by its name is asked of the control plane.
     * @throws DomainError `invalid-request` for a certificate that cannot be read
     */
    decide: createAnswers({
      known,
      principals,
      guests,
      controlPlane,
      now: clock.now,
      reach: reach.until,
      failed: failing('questions'),
      answered: working('questions'),
    }),

    /** Posts what changed of the sessions to `/v1/proxies/{id}/sessions`. Returns the status of the answer, 0 for none. Never throws. */
    async report(report: object): Promise<{ status: number }> {
      const id = receipts.proxyId();
      if (id === undefined) return { status: 0 };
      try {
        const status = await controlPlane.tell(`/v1/proxies/${id}/sessions`, report);
        options.onSound?.('reports');
        return { status };
      } catch (error) {
        noticed(error as Error, 'reports');
        return { status: error instanceof ControlPlaneError ? error.status : 0 };
      }
    },

    /** The place in the log that is applied here. */
    cursor,
    /** Whether what is known still counts. */
    trust: trust.state,
    proxyId: receipts.proxyId,
    /** Follows no longer, and writes down what is known. */
    close,
  };
}

function unlessAway(server: string, error: unknown): void {
  if (!(error instanceof ControlPlaneError)) throw error;
  if (error.failure !== 'away') throw refusedStart(server, error);
}
