import type { Timers } from './options.js';

type Watched = {
  /** Seconds; 0 for none. */
  seconds: number;
  timers: Timers;
  /** True while it is the edge that does not read the client. */
  isPaused(): boolean;
  /** Called now and then while paused: the broker must hear something. */
  ping(): void;
  /** The client was silent for one and a half times its keep-alive. */
  expire(): void;
};

/** Watches the keep-alive of a client (MQTT-3.1.2-22 of 5.0). It stands still while the edge does not read. */
export function watchKeepAlive({ seconds, timers, isPaused, ping, expire }: Watched) {
  const limit = seconds * 1500;
  let seenAt = timers.now();
  let timer: unknown;

  const arm = (): void => {
    const left = seenAt + limit - timers.now();
    // Often enough that the broker, which counts too, is never silent for its one and a half times.
    timer = timers.setTimeout(check, Math.max(1, Math.min(left, limit / 6)));
  };

  const check = (): void => {
    if (isPaused()) {
      seenAt = timers.now();
      ping();
    } else if (timers.now() - seenAt >= limit) return expire();
    arm();
  };

  if (seconds > 0) arm();
  return {
    /** Something came, or the edge reads again. */
    seen(): void {
      seenAt = timers.now();
    },
    stop: (): void => timers.clearTimeout(timer),
    seenAt: (): number => seenAt,
  };
}
