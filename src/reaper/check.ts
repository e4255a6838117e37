import { askServer, createAttempts, isRunning, requireWritable, type Say } from '../edge/proxy/check.js';
import { listeningFault } from '../edge/settings/listening.js';
import { createBroker } from './brokers/kinds.js';
import { loadReaperConfig, monitorOf, type ReaperConfig, type Variable } from './settings/config.js';

type Deps = { say: Say; fetch: typeof fetch; variable: Variable; machineNow(): number };

/**
 * Tries everything that a reaper needs to run, and says in words what it will do. Resolves with the number of things that are wrong.
 * @throws EdgeConfigError for a file that is not valid
 */
export async function checkReaper(file: string, { say, fetch: send, variable, machineNow }: Deps): Promise<number> {
  const config = loadReaperConfig(file);
  const { attempt, wrong } = createAttempts(say);
  const { server, keyFile, stateDir, brokers } = config;
  say.step(true, `${file} is valid`);
  await attempt(stateDir, () => requireWritable(stateDir));
  const runs = await isRunning(config);
  if (runs) say.line('a reaper with this stateDir runs now');
  await tryMonitor(config, runs, attempt);
  await attempt(server, () => askServer({ server, keyFile, listeners: [] }, send, machineNow()));
  for (const settings of brokers)
    await attempt(settings.name, async () => {
      const broker = createBroker(settings, variable, machineNow);
      try {
        return await broker.check(AbortSignal.timeout(settings.limits.timeout));
      } finally {
        broker.close();
      }
    });
  describe(config).forEach(say.line);
  return wrong();
}

async function tryMonitor(
  config: ReaperConfig,
  runs: boolean,
  attempt: ReturnType<typeof createAttempts>['attempt'],
): Promise<void> {
  const spot = { place: config.placeOf(['monitor']), what: 'the monitor', ...monitorOf(config) };
  if (!config.monitorIsGiven || spot.port === 0 || runs) return;
  const fault = await listeningFault(spot);
  if (!fault) return;
  await attempt('the monitor', () => {
    throw fault.error;
  });
}

/** What the settings end, one sentence for each broker. */
export function describe({ name, brokers }: ReaperConfig): string[] {
  return brokers.map(({ name: broker, kind, user, validity }) => {
    const who = user === '${thing.name}' ? 'the name of its thing' : user;
    const again = `whoever comes back within ${validity / 1000} s by an old answer is ended again`;
    return `${name}.${broker}: ${kind}, whose user is ${who}; ${again}.`;
  });
}
