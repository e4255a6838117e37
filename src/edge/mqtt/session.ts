import { finish } from './ending.js';
import type { Holding } from './line.js';
import type { EndOptions, EndReason, MqttSession } from './options.js';
import { farewell, purgingConnect } from '../mqtt-packets/write.js';

type Parts = {
  holding: Holding;
  seenAt(): number;
  isOver(): boolean;
  end(reason: EndReason, options?: EndOptions): Promise<void>;
};

// Node runs timers above this at once, and a clock that was corrected is noticed.
const longestTimerMs = 3_600_000;

/** The session of a device that was let in, which watches its own end. */
export function createSession({ holding, seenAt, isOver, end }: Parts): MqttSession & { stop(): void; review(): void } {
  const { options, greeting, rights, subscriptions } = holding;
  const { gate, timers, facts } = options;
  let until = 0;
  let timer: unknown;
  let firesAt = Infinity;
  let isStopped = false;

  // A timer that fires too early only judges once more: to set it again at each change would cost more than to judge.
  const arm = (): void => {
    const ms = Math.max(1, Math.min(until - gate.now(), longestTimerMs));
    const at = timers.now() + ms;
    if (isStopped || at >= firesAt) return;
    timers.clearTimeout(timer);
    firesAt = at;
    timer = timers.setTimeout(fire, ms);
  };

  const fire = (): void => {
    firesAt = Infinity;
    review();
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
    isOver,
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
