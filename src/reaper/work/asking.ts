import type { FollowedLog } from '../../edge/decider/parts.js';
import type { Standing, Things } from './things.js';

type Deps = {
  things: Pick<Things, 'standings'>;
  log: Pick<FollowedLog, 'isSuspended'>;
  wait(ms: number, signal: AbortSignal): Promise<void>;
  signal: AbortSignal;
  /** The control plane did not answer; it is asked again. */
  failed(error: Error, of: 'questions'): void;
  works(of: 'questions'): void;
};

const askAgainMs = 2000;

/** Asks the control plane until it answers, however long that takes. */
export function createAsking({ things, log, wait, signal, failed, works }: Deps) {
  const patiently = async <Result>(ask: () => Promise<Result>): Promise<Result> => {
    for (;;) {
      try {
        const found = await ask();
        works('questions');
        return found;
      } catch (error) {
        signal.throwIfAborted();
        failed(error as Error, 'questions');
        await wait(askAgainMs, signal);
      }
    }
  };

  return {
    /** The result, once there is one. @throws Error when the signal ended it */
    patiently,
    /** What things may do now. In a suspended account nothing can be asked. */
    standingsOf: (names: readonly string[], atLeast: string): Promise<Map<string, Standing>> =>
      patiently(async () => (log.isSuspended() ? new Map<string, Standing>() : things.standings(names, atLeast))),
  };
}
