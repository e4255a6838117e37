/** What the traffic policy of a segment holds connections to. Each call takes, and returns the milliseconds to wait before the next. */
export type Limiter = {
  /** One PUBLISH, SUBSCRIBE or UNSUBSCRIBE. More than {@link longestWaitMs}: it was not taken, and is too much. */
  request(): number;
  /** Octets from a client. */
  upward(octets: number): number;
  /** Octets to a client. */
  downward(octets: number): number;
};

/** The longest wait for a request; then the client is told that it sends too fast. */
export const longestWaitMs = 5000;

// Node runs timers above this at once.
const longestTimerMs = 2 ** 31 - 1;

/** Takes of a rate, and says how long to wait for what was taken. */
type Bucket = (cost: number, longest: number) => number;

/**
 * A token bucket, kept as the time at which it is full again. It holds `burst`, and `perSecond` come into it. What would have to
 * wait for longer than `longest` is not taken.
 */
function createBucket(perSecond: number, burst: number, now: () => number): Bucket {
  let fullAt = -Infinity;
  return (cost, longest) => {
    if (perSecond === Infinity) return 0;
    if (perSecond <= 0) return longestTimerMs;
    const at = now();
    const next = Math.max(fullAt, at) + (cost * 1000) / perSecond;
    const wait = Math.max(0, next - at - (burst * 1000) / perSecond);
    if (wait <= longest) fullAt = next;
    return Math.min(wait, longestTimerMs);
  };
}

/** The limits of one traffic policy (JSON, as a verdict has it), shared by all who are given them. `now` in milliseconds, monotonic. */
export function createLimiter(trafficPolicy: string, now: () => number): Limiter {
  const { bandwidthLimit, rateLimit } = JSON.parse(trafficPolicy) as {
    bandwidthLimit?: string;
    rateLimit?: { requestsPerSecond?: number; burst?: number };
  };
  const octets = bandwidthLimit === undefined ? Infinity : bitsOf(bandwidthLimit) / 8;
  const requests = createBucket(rateLimit?.requestsPerSecond ?? Infinity, rateLimit?.burst ?? 0, now);
  const up = createBucket(octets, octets, now);
  const down = createBucket(octets, octets, now);
  return {
    request: () => requests(1, longestWaitMs),
    upward: (count) => up(count, Infinity),
    downward: (count) => down(count, Infinity),
  };
}

const units: Readonly<Record<string, number>> = { bps: 1, kbps: 1e3, Mbps: 1e6, Gbps: 1e9 };

/** Bits a second of a rate such as `10Mbps`; without limit when it is none. */
export function bitsOf(rate: string): number {
  const [, number, unit] = /^(\d{1,6}(?:\.\d{1,3})?)(bps|kbps|Mbps|Gbps)$/.exec(rate) ?? [];
  return number === undefined || unit === undefined ? Infinity : Number(number) * units[unit]!;
}
