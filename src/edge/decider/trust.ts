import type { Trust } from '../gate.js';

type Deps = {
  /** Milliseconds; never goes back. */
  monotonic(): number;
  /** How long what is known counts without a head, in milliseconds. */
  trustForMs: number;
};

/** Two heads that did not come, and time to send one. */
const liveForMs = 12_000;

/** Whether what is known still counts. It counts from the heads that an instance with a lease sends. */
export function createTrust({ monotonic, trustForMs }: Deps) {
  let heardAt: number | undefined;
  let isRefused = false;
  let isResumed = false;

  return {
    /** A head came, which was sent at that moment of the monotonic clock. One that was under way for long renews little. */
    hear(saidAt: number): void {
      heardAt = Math.max(heardAt ?? -Infinity, saidAt);
      isRefused = false;
      isResumed = false;
    },
    /** The control plane said that this edge may let in nobody. Only another head ends that. */
    refuse: (): void => void (isRefused = true),
    isRefused: (): boolean => isRefused,
    /** What an earlier run had used up of its trust, in milliseconds. Nothing is live before a head. */
    resume(usedMs: number): void {
      heardAt = monotonic() - usedMs;
      isResumed = true;
    },
    /** Milliseconds since the last head; undefined before the first. */
    usedMs: (): number | undefined => (heardAt === undefined ? undefined : monotonic() - heardAt),
    /** What is known now. */
    state(): Trust {
      if (isRefused) return 'refused';
      if (heardAt === undefined) return 'starting';
      const used = monotonic() - heardAt;
      if (used < liveForMs && !isResumed) return 'live';
      return used < trustForMs ? 'dark' : 'spent';
    },
  };
}
