/** The time as the control plane has it, in milliseconds since 1970. */
export type FollowedClock = ReturnType<typeof createFollowedClock>;

/**
 * Follows the clock of the control plane: the largest difference between its time and the monotonic clock here, because an
 * answer can only arrive late. `monotonic` is in milliseconds. While it runs, it never goes back.
 */
export function createFollowedClock(monotonic: () => number) {
  let offset: number | undefined;
  let latest = -Infinity;
  let isGuess = false;

  const set = (heard: number): void => {
    // What was worked out after a restart was never heard: it holds nobody back.
    if (isGuess) latest = -Infinity;
    isGuess = false;
    offset = heard;
  };

  return {
    /** What the control plane said now. */
    hear(serverTime: number): void {
      const heard = serverTime - monotonic();
      set(offset === undefined || isGuess ? heard : Math.max(offset, heard));
    },
    /** The same, as the first word of a connection: what was heard on another one counts no longer. */
    reconnect: (serverTime: number): void => set(serverTime - monotonic()),
    /** The time that it should be after a restart, until something is heard. */
    guess(at: number): void {
      offset = at - monotonic();
      isGuess = true;
    },
    /** When the control plane said its time, by the monotonic clock. Never later than now. */
    saidAt: (serverTime: number): number =>
      Math.min(monotonic(), offset === undefined ? Infinity : serverTime - offset),
    /** The time. Before anything was heard it is the start of 1970: nothing is decided then. */
    now(): number {
      latest = Math.max(latest, offset === undefined ? 0 : offset + monotonic());
      return latest;
    },
  };
}
