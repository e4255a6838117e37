import { randomInt } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../clock.js';
import { createDecider, type Decider } from '../edge/decider/decider.js';
import type { Holder } from '../edge/gate.js';
import type { Tell } from '../edge/proxy/log.js';
import { openMonitor } from '../edge/proxy/monitor.js';
import { createTroubles, type Troubles } from '../edge/proxy/troubles.js';
import { readTextFile } from '../edge/settings/config.js';
import { listeningFault } from '../edge/settings/listening.js';
import { createStateFolder } from '../edge/state/stored.js';
import { createBroker } from './brokers/kinds.js';
import { createMeters, type Meters } from './monitor/meters.js';
import { followingWords } from './monitor/words.js';
import { monitorOf, type ReaperConfig, type Variable } from './settings/config.js';
import type { BrokerSettings } from './settings/shapes.js';
import { everySession } from './work/cutter.js';
import { createGranted } from './work/granted.js';
import { createThings } from './work/things.js';
import { createUsers } from './work/users.js';
import { createWorker, type Worker } from './work/worker.js';

/** What a reaper is put together from. */
export type ReaperParts = { config: ReaperConfig; variable: Variable; tell: Tell };

/** A reaper that runs. */
export type Reaper = Awaited<ReturnType<typeof openReaper>>;

const drainMs = 10_000;
const monotonic = (): number => performance.now();
const machineNow = (): number => systemClock().getTime();

/**
 * Follows the log, and ends at the brokers of the settings what contradicts it. Resolves once it follows.
 * @throws EdgeStartError, EdgeConfigError for what cannot be reached, read or opened
 */
export async function openReaper({ config, variable, tell }: ReaperParts) {
  const key = readTextFile(config.keyFile, 'the API key').trim();
  const workers = new Map<string, Worker>();
  const troubles = createTroubles(tell, monotonic, followingWords);
  // Before the control plane hears of it: a reaper that cannot start must not stay listed as one that does not enforce.
  const brokers = config.brokers.map((settings) => ({
    settings,
    broker: createBroker(settings, variable, machineNow),
  }));
  const decider = await createDecider({
    server: config.server,
    key,
    name: config.name,
    stateDir: config.stateDir,
    sessions: true,
    holders: config.brokers.map(({ name }) => holderOf(`${config.name}.${name}`, () => workers.get(name))),
    beforehand: () => requireMonitor(config),
    onError: troubles.failed,
    onSound: troubles.works,
  });
  const ended = new AbortController();
  // Everything that waits hears of the end: as much as there are changes and questions under way.
  setMaxListeners(0, ended.signal);
  const meters = createMeters(() => [...workers].map(([name, worker]) => ({ name, ...worker })), decider.gate.trust);
  let isDraining = false;
  try {
    for (const { settings, broker } of brokers) {
      const granted = await grantedOf(config, key, settings, troubles);
      workers.set(settings.name, workerOf({ settings, broker, granted, decider, meters, tell, signal: ended.signal }));
    }
    const at = { ...monitorOf(config), place: config.monitorIsGiven ? config.placeOf(['monitor']) : 'monitor' };
    const shown = () => ({
      brokers: Object.fromEntries([...workers].map(([name, worker]) => [name, stateOf(worker)])),
    });
    const watched = { registry: meters.registry, gate: decider.gate, machineNow, isDraining: () => isDraining, shown };
    const monitor = await openMonitor(at, watched).catch((error: Error) => {
      if (config.monitorIsGiven) throw error;
      tell.warn({ why: error.message }, 'the reaper runs without its monitor');
      return undefined;
    });
    const working = Promise.all([...workers.values()].map((worker) => worker.work()));
    working.catch((error: unknown) => tell.error({ err: error }, 'a defect stopped the work at a broker'));
    tell.info({ brokers: [...workers.keys()] }, 'the reaper follows');

    return {
      monitorPort: monitor?.port,
      /** Starts nothing more, waits for orders under way, and writes down what is known. What is not enforced is, after the next start. */
      async close(): Promise<void> {
        if (isDraining) return;
        isDraining = true;
        ended.abort();
        await Promise.race([working.catch(() => {}), sleep(drainMs, undefined, { ref: false })]);
        monitor?.close();
        await decider.close();
      },
    };
  } catch (error) {
    ended.abort();
    await decider.close();
    throw error;
  }
}

function stateOf(worker: Worker): string {
  if (!worker.isReachable()) return 'unreachable';
  return worker.isClear() ? 'enforcing' : 'comparing';
}

function holderOf(name: string, worker: () => Worker | undefined): Holder {
  return {
    name,
    // What changes before there is a worker shows in its first comparison.
    enforce: async (change) => worker()?.enforce(change) ?? 0,
    isClear: () => worker()?.isClear() ?? false,
    speaks: () => worker()?.isReachable() ?? false,
  };
}

async function grantedOf(
  { stateDir }: ReaperConfig,
  key: string,
  { name, limits }: BrokerSettings,
  troubles: Troubles,
) {
  const path = join(stateDir, 'brokers', name);
  const granted = createGranted({ folder: createStateFolder(path, key), now: machineNow, most: limits.sessions });
  const reason = await granted.restore();
  if (reason !== undefined && reason !== 'there is none')
    troubles.failed(new Error(`${path} is not used: ${reason}`), 'state');
  return granted;
}

type WorkerParts = {
  settings: BrokerSettings;
  broker: ReturnType<typeof createBroker>;
  granted: ReturnType<typeof createGranted>;
  decider: Decider;
  meters: Meters;
  tell: Tell;
  signal: AbortSignal;
};

function workerOf({ settings, broker, granted, decider, meters, tell, signal }: WorkerParts): Worker {
  const { name, user, validity, lookEvery, limits } = settings;
  const { log } = decider;
  const named = (level: keyof Tell) => (fields: object, message: string) =>
    tell[level]({ broker: name, ...fields }, message);
  const troubles = createTroubles({ info: named('info'), warn: named('warn'), error: named('error') }, monotonic);
  return createWorker({
    broker,
    granted,
    log,
    users: createUsers(user, log.account),
    things: createThings(log),
    validityMs: validity,
    lookEveryMs: lookEvery,
    concurrency: limits.concurrency,
    mostSessions: limits.sessions,
    monotonic,
    wait: (ms, given) => sleep(ms, undefined, { signal: given }),
    random: () => randomInt(1_000_000) / 1_000_000,
    signal,
    mended: (count) => tell.warn({ broker: name, count }, 'what somebody else changed at the broker is mended'),
    ended({ user: who, thingName: thing, why, session, ms }) {
      if (session === everySession)
        return tell.info(
          { broker: name, user: who, thing, why, ms },
          'the broker was told to end all sessions of a user',
        );
      meters.endedSessions.inc({ broker: name, why });
      meters.seconds.observe({ broker: name }, ms / 1000);
      tell.info({ broker: name, user: who, thing, why, session, ms }, 'session ended');
    },
    failed(error, of) {
      if (of === 'broker') meters.failures.inc({ broker: name });
      troubles.failed(error, of);
    },
    works: troubles.works,
  });
}

async function requireMonitor(config: ReaperConfig): Promise<void> {
  if (!config.monitorIsGiven) return;
  const spot = { place: config.placeOf(['monitor']), what: 'the monitor', ...monitorOf(config) };
  const fault = spot.port === 0 ? undefined : await listeningFault(spot);
  if (fault) throw fault.error;
}
