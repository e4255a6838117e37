import { addSeconds, createStopwatch, type Clock } from '../../clock.js';
import { AwsFailure } from '../client/failure.js';

type Deps = {
  clock: Clock;
  /** Prolongs everything that this instance has claimed. */
  prolong(until: Date): Promise<void>;
  /** How long a call may take. */
  timeoutMs: number;
  /** How long what an instance has claimed stays its own when it dies. Longer than a call, and under 5 minutes. */
  claimMs: number;
  onError(error: unknown): void;
};

const beatMs = 3000;

export type Claims = ReturnType<typeof createClaims>;

/**
 * Keeps what this instance has claimed while it works. One that was paused finds out before its next call, and its
 * last call has ended before anybody else takes over.
 */
export function createClaims({ clock, prolong, timeoutMs, claimMs, onError }: Deps) {
  let holders = 0;
  let timer: NodeJS.Timeout | undefined;
  let sinceBeat = createStopwatch();

  const beat = async (): Promise<void> => {
    const begun = createStopwatch();
    await prolong(until());
    sinceBeat = begun;
  };
  const until = (): Date => addSeconds(clock(), claimMs / 1000);

  return {
    /** Until when a claim that is made now stands. */
    until,

    /** Keeps claims alive until the work is done. */
    async hold(work: () => Promise<void>): Promise<void> {
      if (holders++ === 0) {
        sinceBeat = createStopwatch();
        timer = setInterval(() => void beat().catch(onError), beatMs);
      }
      try {
        await work();
      } finally {
        if (--holders === 0) clearInterval(timer);
      }
    },

    /** @throws AwsFailure when a call that begins now could outlast what was claimed for it */
    requireTime(call: string): void {
      if (sinceBeat() + timeoutMs >= claimMs)
        throw new AwsFailure('transient', call, `${call}: this instance was delayed and leaves the work to another`);
    },
  };
}
