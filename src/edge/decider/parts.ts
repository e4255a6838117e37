import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../clock.js';
import { createKeeper } from '../state/keeper.js';
import type { Holder } from '../gate.js';
import type { Trouble } from '../trouble.js';
import { createBeginning } from './beginning.js';
import { createControlPlane, type Fetch, type Wait } from './control-plane.js';
import { createFollowedClock } from './followed-clock.js';
import { createGuests } from './guests.js';
import { createIssuerReader } from './issuers.js';
import { createKnown } from './known.js';
import { createPrincipals } from './principals.js';
import { createReach } from './reach.js';
import { createReceipts, joinReceipts, type Receipts } from './receipts.js';
import { createTrust } from './trust.js';

/** How a decider follows the control plane. */
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
  /** Who holds live sessions, each with receipts; by default the edge itself does, by `name`. */
  holders?: readonly Holder[] | undefined;
  /** What must succeed, once `stateDir` is this edge's, before the control plane hears of it. */
  beforehand?: (() => Promise<void>) | undefined;
  /** Told of what went wrong, and with what; it is tried again. */
  onError?: ((error: Error, of: Trouble) => void) | undefined;
  /** Told whenever something works: after an error it works again. */
  onSound?: ((of: Trouble) => void) | undefined;
  fetch?: Fetch | undefined;
  /** A monotonic clock, in milliseconds; by default the one of this machine. */
  now?: (() => number) | undefined;
  /** The wall clock of this machine, in milliseconds since 1970: it counts over restarts alone. */
  wall?: (() => number) | undefined;
  /** Waits for that many milliseconds; by default of real time. */
  wait?: Wait | undefined;
};

const waitReally: Wait = (ms, signal) => sleep(ms, undefined, { signal });

/** What the parts tell. */
type Told = {
  /** Something went wrong, and is tried again. */
  failed(error: Error, of: Trouble): void;
  works(of: Trouble): void;
  /** The control plane refused the key. */
  refused(): void;
};

export type Parts = ReturnType<typeof createParts>;

/** What a decider is put together from: what it knows and keeps, whom it asks, and whom it tells. `ended` ends every request. */
export function createParts(options: DeciderOptions, ended: AbortSignal, told: Told) {
  const { server, key, name, stateDir, sessions = false, keepsLive = false, trustForMs = 900_000 } = options;
  const { now: monotonic = () => performance.now(), wall = () => systemClock().getTime(), wait = waitReally } = options;
  const failing = (of: Trouble) => (error: Error) => told.failed(error, of);
  const working = (of: Trouble) => () => told.works(of);
  const troubleOf = (of: Trouble) => ({ onError: failing(of), onSound: working(of) });

  const incarnation = randomUUID();
  const controlPlane = createControlPlane({ server, key, fetch: options.fetch, ended });
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
    refused: told.refused,
    settled: (things) => receipts.changed({ cursor: cursor(), things, everything: false, sessions: new Set() }),
  });
  const shared = {
    controlPlane,
    incarnation,
    cursor,
    monotonic,
    ...troubleOf('receipts'),
    notEnded: failing('sessions'),
    ended: working('sessions'),
  };
  const receiptsOf = ({ name: called, enforce, isClear, speaks }: Holder): Receipts => {
    const each = createReceipts({ ...shared, name: called, sessions: true, isClear, speaks });
    each.follow(enforce);
    return each;
  };
  const receipts = options.holders
    ? joinReceipts(options.holders.map(receiptsOf))
    : createReceipts({ ...shared, name, sessions, isClear: guests.isClear });
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
  const beginning = createBeginning({ server, reason: keeper.reason, trust: trust.state, wait });
  return {
    incarnation,
    monotonic,
    wait,
    controlPlane,
    clock,
    trust,
    known,
    reach,
    principals,
    guests,
    receipts,
    keeper,
    issuers,
    beginning,
  };
}

/** What is followed of an account, for programs that judge more than single guests. */
export type FollowedLog = ReturnType<typeof createFollowedLog>;

/** Shows what a decider knows, and lets others ask the control plane with its key. */
export function createFollowedLog({ known, clock, trust, reach, controlPlane, receipts }: Parts) {
  return {
    snapshot: known.snapshot,
    account: known.account,
    isSuspended: known.isSuspended,
    promises: known.promises,
    /** The place that is applied here. */
    cursor: known.cursor,
    /** The followed clock, milliseconds since 1970. */
    now: clock.now,
    trust: trust.state,
    /** Resolves once the log is applied up to a cursor. @throws Error when it does not come within ten seconds */
    reach: reach.until,
    /** @throws ControlPlaneError */
    get: controlPlane.get,
    /** @throws ControlPlaneError */
    post: controlPlane.post,
    /** What is enforced may have moved: it is confirmed now, and not with the next head. */
    confirm: receipts.reached,
  };
}
