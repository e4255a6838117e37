import type { Tell } from '../logging.js';

// Different reasons in one spell, such as a database that comes back while a list is late. More are not told apart.
const mostReasons = 5;
const longestReason = 500;

/** Says in the log when this instance is no longer ready, why, and when it is again: whoever asks, and however often. */
export function createReadinessNotes(tell: Pick<Tell, 'warn'>) {
  const reasons = new Set<string>();
  let refused = 0;
  return {
    ready(): void {
      if (refused === 0) return;
      tell.warn({ refused }, `ready again, after ${refused} answers of /readyz that it was not`);
      reasons.clear();
      refused = 0;
    },
    notReady(err: unknown): void {
      refused++;
      const reason = String((err as Error | undefined)?.message ?? err).slice(0, longestReason);
      if (reasons.has(reason) || reasons.size >= mostReasons) return;
      reasons.add(reason);
      tell.warn({ err }, 'not ready: a line here says when it is again');
    },
  };
}
