import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { isPassing } from './client.js';

/** What the server answers while nobody has decided about a device. */
export type Wait = { status: 'waiting'; id: string; retryAfter: number };

/** How a wait for approval is passed. */
export type Patience = {
  /** Called once, when a device has to wait for approval. */
  onWaiting?: ((wait: Wait) => void) | undefined;
  /** Passes the time between two requests; by default it takes as long as it says. */
  pause?: (ms: number) => Promise<unknown>;
};

const shortestSeconds = 1;
const longestSeconds = 3600;

/**
 * Asks until the answer is no wait, at the pace that the server gives. A server or network that is away meanwhile is
 * waited for too. @throws what `ask` throws before the first wait, or what waiting does not mend
 */
export async function untilDecided<Answer extends object>(
  ask: () => Promise<Answer | Wait>,
  { onWaiting, pause = sleep }: Patience,
): Promise<Answer> {
  let answer = await ask();
  let wait: Wait | undefined;
  while (isWait(answer)) {
    if (!wait) onWaiting?.(answer);
    wait = answer;
    await pause(pauseMs(answer));
    answer = await ask().catch((error: unknown) => {
      if (!isPassing(error)) throw error;
      return wait!;
    });
  }
  return answer;
}

function isWait(answer: object): answer is Wait {
  return 'status' in answer && answer.status === 'waiting';
}

/** Up to a quarter longer than asked, so that devices which started together do not stay together. */
function pauseMs({ retryAfter }: Wait): number {
  const ms = Math.min(longestSeconds, Math.max(shortestSeconds, retryAfter)) * 1000;
  return ms + randomInt(Math.ceil(ms / 4));
}
