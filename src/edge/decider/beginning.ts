import type { Trust } from '../gate.js';
import { ControlPlaneError } from './control-plane.js';

type Deps = {
  server: string;
  /** Why there is nothing on disk. */
  reason(): string;
  trust(): Trust;
};

const withinMs = 15_000;

/** The time until there is something to decide from. */
export function createBeginning({ server, reason, trust }: Deps) {
  let last: Error | undefined;
  let settle: { resolve(): void; reject(error: Error): void } | undefined;
  let timer: NodeJS.Timeout | undefined;

  const end = (): void => {
    clearTimeout(timer);
    settle = undefined;
  };

  const fail = (error: Error): void => {
    settle?.reject(error);
    end();
  };

  return {
    /** Resolves at the first head, or at the first failure where the earlier state serves. @throws Error when there is nothing */
    done: (): Promise<void> =>
      new Promise((resolve, reject) => {
        if (trust() === 'live') return resolve();
        settle = { resolve, reject };
        timer = setTimeout(() => {
          if (trust() !== 'starting') settle?.resolve();
          const why = last ? ` (${last.message})` : '';
          fail(new Error(`${server} does not answer${why}, and there is nothing on disk to decide by: ${reason()}`));
        }, withinMs);
      }),

    heard(): void {
      settle?.resolve();
      end();
    },

    failed(error: Error): void {
      if (!settle) return;
      last = error;
      if (error instanceof ControlPlaneError && error.failure !== 'away' && error.failure !== 'start-anew')
        return fail(error);
      if (trust() === 'starting') return;
      settle.resolve();
      end();
    },
  };
}
