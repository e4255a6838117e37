import { systemClock } from '../clock.js';
import type { AgentOptions } from './agent.js';
import { openFolder } from './folder.js';

const lookMs = 60_000;

/**
 * The clock of the server, in milliseconds since 1970, as far as the agent knows how far this machine's clock is off. It looks at
 * what the agent knows once a minute at most.
 */
export function createServerClock({ out, clock = systemClock }: AgentOptions): () => number {
  let offset = 0;
  let lookedAt = -Infinity;
  return () => {
    if (performance.now() - lookedAt > lookMs) {
      offset = openFolder(out).requireIdentity().state.clockOffset;
      lookedAt = performance.now();
    }
    return clock().getTime() + offset * 1000;
  };
}
