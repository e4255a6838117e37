/** The time as the control plane has it, in milliseconds since 1970. */
export type FollowedClock = ReturnType<typeof createFollowedClock>;

/**
 * Follows the clock of the control plane: the largest difference between its time and the monotonic clock here, because an
 * answer can only arrive late. `monotonic` is in milliseconds. While it runs, it never goes back.
 */
export function createFollowedClock(monotonic: () => number) {
  let offset: number | undefined;
  let latest = -Infinity;

  return {
    /** What the control plane said now. */
    hear(serverTime: number): void {
      const heard = serverTime - monotonic();
      offset = offset === undefined ? heard : Math.max(offset, heard);
    },
    /** A new connection: what an earlier one was told no longer counts once this one is told something. */
    reconnect(serverTime: number): void {
      offset = serverTime - monotonic();
    },
    /** True once it was told the time. */
    isSet: (): boolean => offset !== undefined,
    /** The time. Before anything was heard it is the start of 1970: nothing is decided then. */
    now(): number {
      latest = Math.max(latest, offset === undefined ? 0 : offset + monotonic());
      return latest;
    },
  };
}
