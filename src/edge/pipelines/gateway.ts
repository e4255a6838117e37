import type { Gate } from '../gate.js';
import type { Intake } from '../mqtt/options.js';
import type { Meters } from '../proxy/monitor.js';
import type { Tell } from '../proxy/log.js';
import type { Timers } from '../proxy/sessions.js';
import type { Troubles } from '../proxy/troubles.js';
import type { Witness } from '../proxy/witness.js';
import type { EdgeConfig } from '../settings/config.js';
import type { Sinks } from '../sinks/sinks.js';
import { EdgeStartError } from '../start-error.js';
import { createPipelineMeters } from './meters.js';
import type { Taken } from './running.js';
import { openPipelines, type ActivePipelines, type Pipelines } from './open.js';

type Deps = {
  config: Pick<EdgeConfig, 'gateway' | 'stateDir'>;
  pipelines: ActivePipelines;
  gate: Gate;
  sinks: Pick<Sinks, 'has' | 'put'>;
  witness: Pick<Witness, 'refused'>;
  meters: Pick<Meters, 'registry'>;
  timers: Timers;
  tell: Tell;
  troubles: Troubles;
};

/** Pipelines as an edge holds them. */
export type Gateway = NonNullable<ReturnType<typeof createGateway>>;

/** Runs pipelines, where the settings want that; undefined otherwise. */
export function createGateway(deps: Deps) {
  if (!deps.config.gateway?.pipelines) return undefined;
  const meters = createPipelineMeters(deps.meters.registry);
  let running: Pipelines | undefined;
  const intake: Intake = { takerOf: (message) => running?.takerOf(message) };
  return {
    /** Takes nothing before {@link Gateway.open}. */
    intake,
    /** What the pipelines that run took so far. */
    taken: (): Taken[] => running?.taken() ?? [],
    /** Messages so far that things of each type published. */
    types: (): ReadonlyMap<string, number> => running?.types() ?? new Map(),

    /** Takes up what was kept. @throws EdgeStartError, EdgeConfigError */
    async open(): Promise<void> {
      running = await openPipelines({ ...deps, meters, outlets: deps.sinks }).catch((error: Error) => {
        const why = `pipelines cannot run: ${error.message}: mend that, or remove gateway.pipelines`;
        throw new EdgeStartError(why, { cause: error });
      });
    },

    /** Takes nothing more, and keeps what there is. */
    async close(): Promise<void> {
      const ending = running;
      running = undefined;
      await ending?.close();
    },
  };
}
