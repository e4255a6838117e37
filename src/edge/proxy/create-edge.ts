import { systemClock } from '../../clock.js';
import type { Hooks } from '../mqtt/hooks.js';
import { createDecider } from '../decider/decider.js';
import { readSettings, readTextFile, spell, type EdgeSettings, type PlaceOf } from '../settings/config.js';
import { loadEdgeConfig } from '../settings/config-file.js';
import { openEdge, type Edge } from './edge.js';
import type { Tell } from './log.js';
import { createTroubles } from './troubles.js';
import { requireUsable } from './usable.js';

export type { Hooks, HookMessage, HookSession } from '../mqtt/hooks.js';
export type { Edge } from './edge.js';
export type { EdgeSettings } from '../settings/config.js';

/** What {@link createEdge} runs: a file of settings, such as `edge.yaml`, or the members of one. Paths among these start at the folder of the process. */
export type EdgeOptions = ({ config: string } | EdgeSettings) & {
  /** Code that is asked before a device's connect, publish or subscribe is judged, and hears what passed. */
  hooks?: Hooks | undefined;
  /** Where lines of the log go; by default nowhere. */
  tell?: Tell | undefined;
};

const placeInCode: PlaceOf = (path) => (path.length === 0 ? 'the settings' : spell(path));

const silent: Tell = { info: () => {}, warn: () => {}, error: () => {} };

/**
 * Runs an edge in this process. Resolves once it follows the control plane and listens.
 * @throws EdgeConfigError for settings that are not valid, EdgeStartError for what cannot be reached or opened
 * @example
 * const edge = await createEdge({ config: 'edge.yaml', hooks: { authPublish: (session, { topic }) => topic !== 'secret' } });
 */
export async function createEdge({ hooks, tell = silent, ...given }: EdgeOptions): Promise<Edge> {
  const config = 'config' in given ? loadEdgeConfig(given.config) : readSettings(given, process.cwd(), placeInCode);
  const key = readTextFile(config.keyFile, 'the API key').trim();
  const { server, name, stateDir, offline } = config;
  const troubles = createTroubles(tell, () => performance.now());
  const decider = await createDecider({
    server,
    key,
    name,
    stateDir,
    trustForMs: offline.trustFor,
    keepsLive: offline.then === 'refuse-new',
    sessions: true,
    beforehand: () => requireUsable(config),
    onError: troubles.failed,
    onSound: troubles.works,
  });
  try {
    return await openEdge({ config, decider, tell, troubles, machineNow: () => systemClock().getTime(), hooks });
  } catch (error) {
    await decider.close();
    throw error;
  }
}
