import { AwsFailure } from './failure.js';
import type { IotRegistry } from './iot-registry.js';

const tries = 6;

/** The same calls, each tried again when its failure may pass. */
export function retrying(iot: IotRegistry, pause: (ms: number) => Promise<void>): IotRegistry {
  const wrap =
    (work: (...args: unknown[]) => unknown) =>
    async (...args: unknown[]): Promise<unknown> => {
      for (let attempt = 1; ; attempt++) {
        try {
          return await work(...args);
        } catch (error) {
          const passes = error instanceof AwsFailure && ['transient', 'throttled', 'conflict'].includes(error.kind);
          if (!passes || attempt === tries) throw error;
          await pause(500 * 2 ** attempt);
        }
      }
    };
  const entries = Object.entries(iot) as [string, (...args: unknown[]) => unknown][];
  return Object.fromEntries(
    entries.map(([name, work]) => [name, name === 'close' ? work : wrap(work)]),
  ) as unknown as IotRegistry;
}
