import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../clock.js';
import { accessToken, lookUp, renew, type AgentOptions } from './agent.js';
import { createRenewalOrder } from './renewal-order.js';

/** How the agent keeps an identity fresh. */
export type Keeping = {
  /** Looks once and ends, and throws what went wrong. */
  once: boolean;
  /** Runs what has to hear of a new certificate. */
  announce(): Promise<void>;
  tell(event: object, text: string): void;
  /** There is a new certificate. */
  renewed?(): void;
  /** Passes time, in milliseconds. */
  pause?: (ms: number) => Promise<unknown>;
};

const checkMs = 60_000;
const longestMs = 15 * checkMs;
const roundsOfLookUp = 60;
const orderSpreadMs = 5 * 60_000;

/** Keeps certificate and token fresh until the process ends, or once. @throws AgentError with `once` */
export async function keepFresh(options: AgentOptions, keeping: Keeping): Promise<void> {
  const { once, announce, tell, pause = sleep } = keeping;
  const clock = options.clock ?? systemClock;
  // Whoever looks once spreads devices by when it looks.
  const order = createRenewalOrder({ now: () => clock().getTime(), spreadMs: once ? 0 : orderSpreadMs });
  const refresh = async (): Promise<void> => {
    const { renewed, serialNumber, notAfter } = await renew({ ...options, force: order.isDue() });
    if (renewed) tell({ renewed, serialNumber, notAfter }, `renewed: certificate ${serialNumber}`);
    if (renewed) order.obeyed();
    if (renewed) keeping.renewed?.();
    await announce();
  };
  const look = async (round: number): Promise<void> => {
    await refresh();
    await accessToken(options);
    if (round % roundsOfLookUp === 0) order.hear(await lookUp(options));
    if (order.isDue()) await refresh();
  };
  if (once) return look(0);
  tell({ running: true }, 'keeping certificate and token fresh; stop with Ctrl-C');
  let failures = 0;
  for (let round = 0; ; round++) {
    try {
      await look(round);
      failures = 0;
    } catch (error) {
      failures++;
      const minutes = Math.round(waitMs(failures) / 60_000);
      process.stderr.write(
        `thingward agent: ${(error as Error).message}; trying again in about ${minutes === 1 ? 'a minute' : `${minutes} minutes`}\n`,
      );
    }
    await pause(spread(waitMs(failures)));
  }
}

/** A minute; after failures longer and longer, up to a quarter of an hour. */
const waitMs = (failures: number): number => Math.min(longestMs, checkMs * 2 ** Math.max(0, failures - 1));

/** Up to a quarter shorter or longer, so that devices which started together do not stay together. */
const spread = (ms: number): number => Math.round(ms * 0.75) + randomInt(Math.round(ms / 2));
