import type { Trust } from '../gate.js';
import { EdgeStartError } from '../start-error.js';
import { ControlPlaneError, type Wait } from './control-plane.js';

type Deps = {
  server: string;
  /** Why there is nothing on disk. */
  reason(): string;
  trust(): Trust;
  wait: Wait;
};

const withinMs = 15_000;

/** The time until there is something to decide from. */
export function createBeginning({ server, reason, trust, wait }: Deps) {
  let last: Error | undefined;
  let settle: { resolve(): void; reject(error: Error): void } | undefined;
  const over = new AbortController();

  const end = (): void => {
    over.abort();
    settle = undefined;
  };

  const fail = (error: EdgeStartError): void => {
    settle?.reject(error);
    end();
  };

  const expire = (): void => {
    if (trust() !== 'starting') settle?.resolve();
    const why = last ? ` (${last.message})` : '';
    const next = 'start it, or mend server in the settings';
    fail(
      new EdgeStartError(
        `${server} does not answer${why}, and there is nothing on disk to decide by (${reason()}): ${next}`,
      ),
    );
  };

  return {
    /** Resolves at the first head, or at the first failure where the earlier state serves. @throws EdgeStartError when there is nothing */
    done: (): Promise<void> =>
      new Promise((resolve, reject) => {
        if (trust() === 'live') return resolve();
        settle = { resolve, reject };
        wait(withinMs, over.signal, 'first word').then(expire, () => {});
      }),

    heard(): void {
      settle?.resolve();
      end();
    },

    failed(error: Error): void {
      if (!settle) return;
      last = error;
      if (error instanceof ControlPlaneError && error.failure !== 'away' && error.failure !== 'start-anew')
        return fail(refusedStart(server, error));
      if (trust() === 'starting') return;
      settle.resolve();
      end();
    },
  };
}

/** Why an edge may not start, from what the control plane answered. */
export function refusedStart(server: string, error: ControlPlaneError): EdgeStartError {
  const next = nextSteps[error.status] ?? 'thingward edge check says what is wrong';
  return new EdgeStartError(`${server}: ${error.message}: ${next}`, { cause: error });
}

const nextSteps: Readonly<Record<number, string>> = {
  401: 'make a key with the role edge, and write it into keyFile',
  403: 'make a key with the role edge in an active account, and write it into keyFile',
  409: 'choose another name, or use the key that this name was registered with',
};
