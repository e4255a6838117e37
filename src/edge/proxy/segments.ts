import { LRUCache } from 'lru-cache';
import { createLimiter, type Limiter } from '../mqtt/limits.js';
import type { Ending } from './sessions.js';

const quotaExceeded = 0x97;
const mostSegments = 1000;

export type Segments = ReturnType<typeof createSegments>;

/** What the things of a segment share at this edge: their rates, and the number of their connections. `now` is in milliseconds, and never goes back. */
export function createSegments(now: () => number) {
  const limiters = new LRUCache<string, { trafficPolicy: string; limiter: Limiter }>({ max: mostSegments });
  const counts = new Map<string, number>();
  const none = { refused: undefined, leave: () => {} };

  return {
    /** The rates of a segment, as its traffic policy is now. */
    limiterOf(segment = '', trafficPolicy: string): Limiter {
      const known = limiters.get(segment);
      if (known?.trafficPolicy === trafficPolicy) return known.limiter;
      const limiter = createLimiter(trafficPolicy, now);
      limiters.set(segment, { trafficPolicy, limiter });
      return limiter;
    },

    /** Counts a connection. `refused` says that the segment has too many. */
    enter(
      segment: string | undefined,
      trafficPolicy: string | undefined,
    ): { refused: Ending | undefined; leave(): void } {
      if (segment === undefined || trafficPolicy === undefined) return none;
      const { connectionLimit } = JSON.parse(trafficPolicy) as { connectionLimit?: number };
      const count = (counts.get(segment) ?? 0) + 1;
      counts.set(segment, count);
      const isFull = connectionLimit !== undefined && count > connectionLimit;
      const text = `the segment ${segment} has ${connectionLimit} connections here`;
      return {
        refused: isFull ? { code: quotaExceeded, text } : undefined,
        leave() {
          const left = (counts.get(segment) ?? 1) - 1;
          if (left > 0) counts.set(segment, left);
          else counts.delete(segment);
        },
      };
    },
  };
}
