import type { Change, Guest } from '../gate.js';
import { finish } from './ending.js';
import type { Holding } from './line.js';
import type { Version } from '../mqtt-packets/packet-types.js';
import type { EndReason, Subscription } from './rights.js';
import { farewell, purgingConnect } from '../mqtt-packets/write.js';

/** How a session is ended. `purge`: the broker forgets the session with its queue. */
export type EndOptions = { purge?: boolean };

/** A device that is let in. */
export type MqttSession = {
  /** Changes when the device shows a newer token. */
  guest(): Guest;
  readonly clientId: string;
  readonly protocol: string;
  readonly sourceIp: string;
  readonly version: Version;
  /** The gate's clock, milliseconds since 1970. */
  readonly connectedAt: number;
  /** When something last came from the client, by the gate's clock. */
  seenAt(): number;
  /** Those that the broker has, and those that it was asked for. */
  subscriptions(): Subscription[];
  /** True when the broker keeps the session after the connection. */
  isPersistent(): boolean;
  /** The traffic policy of its segment, JSON, at its last review. */
  limits(): string | undefined;
  /**
   * Judges again what the session is and has: its holder, its right to connect, its will, its subscriptions. Forgets what was
   * remembered. Returns why it has to end, or undefined. It does not end it.
   */
  recheck(change?: Change): EndReason | undefined;
  /** Until when it may stay if nothing changes, by the gate's clock. The session ends itself when that is over. */
  validUntil(): number;
  /** Ends it. Resolves when both sides are destroyed. */
  end(reason: EndReason, options?: EndOptions): Promise<void>;
  /**
   * Makes the broker of MQTT 3 forget the queue of an ended session: a clean connect with the same client id, and a DISCONNECT.
   * Not to be called when a newer session has the client id. MQTT 5 needs it only where the broker did not read the end.
   */
  purge(): Promise<void>;
};

type Parts = {
  holding: Holding;
  seenAt(): number;
  end(reason: EndReason, options?: EndOptions): Promise<void>;
};

// Node runs timers above this at once, and a clock that was corrected is noticed.
const longestTimerMs = 3_600_000;

/** The session of a device that was let in, which watches its own end. */
export function createSession({ holding, seenAt, end }: Parts): MqttSession & { stop(): void; review(): void } {
  const { options, greeting, rights, subscriptions } = holding;
  const { gate, timers, facts } = options;
  let until = 0;
  let timer: unknown;
  let isStopped = false;

  const arm = (): void => {
    timers.clearTimeout(timer);
    if (isStopped) return;
    timer = timers.setTimeout(review, Math.max(1, Math.min(until - gate.now(), longestTimerMs)));
  };

  const recheck = (): EndReason | undefined => {
    rights.forget();
    const reviewed = rights.review(greeting.will, subscriptions.all());
    if (typeof reviewed !== 'number') return reviewed;
    until = reviewed;
    arm();
    return undefined;
  };

  const review = (): void => {
    const why = recheck();
    if (why) void end(why);
  };

  return {
    guest: rights.guest,
    clientId: greeting.clientId,
    protocol: facts.protocol,
    sourceIp: facts.sourceIp,
    version: greeting.version,
    connectedAt: gate.now(),
    seenAt: () => gate.now() - (timers.now() - seenAt()),
    subscriptions: () => [...subscriptions.all()],
    isPersistent: () => (greeting.version === 5 ? greeting.sessionExpiry > 0 : !greeting.clean),
    limits: rights.limits,
    recheck,
    review,
    validUntil: () => until,
    end,
    purge: () => purge(holding),
    stop() {
      isStopped = true;
      timers.clearTimeout(timer);
    },
  };
}

async function purge({ options, greeting: { version, clientId }, rights }: Holding): Promise<void> {
  const { timers, settings, upstream } = options;
  const broker = await options.dial();
  broker.on('error', () => {});
  broker.write(purgingConnect(version, clientId, upstream(rights.guest())));
  // The broker has to answer first: it may read nothing after an end.
  await new Promise<void>((resolve) => {
    const timer = timers.setTimeout(resolve, settings.farewellMs);
    const done = (): void => {
      timers.clearTimeout(timer);
      resolve();
    };
    broker.once('data', done);
    broker.once('close', done);
  });
  await finish(broker, farewell(version, false), settings.farewellMs, timers);
}
