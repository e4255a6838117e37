type Deps = {
  /** Whether the broker answers and takes the credentials. @throws Error */
  check(signal: AbortSignal): Promise<unknown>;
  /** Waits, or throws when the signal ends it. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
  ended: AbortSignal;
  /** Between 0 and 1, so that brokers that lost the same network are not asked at once. */
  random(): number;
  /** Something failed, and is tried again. */
  failed(error: Error): void;
  /** It works: at first, and after every failure. */
  works(): void;
};

export type Reachability = ReturnType<typeof createReachability>;

const retryMs = { first: 250, most: 30_000 };

/** Repeats what a broker does not answer, without end, with longer and longer pauses. Whoever wants something of it waits for the same check. */
export function createReachability({ check, wait, ended, random, failed, works }: Deps) {
  let isUp = false;
  let failures = 0;
  let probing: Promise<void> | undefined;

  const fail = (error: unknown): void => {
    ended.throwIfAborted();
    isUp = false;
    failures++;
    failed(error as Error);
  };

  const probe = async (): Promise<void> => {
    for (;;) {
      if (failures > 0) {
        const pause = Math.min(retryMs.first * 2 ** Math.min(failures - 1, 20), retryMs.most);
        await wait(pause * (0.5 + random() / 2), ended);
      }
      try {
        await check(ended);
        isUp = true;
        return;
      } catch (error) {
        fail(error);
      }
    }
  };

  /** One check at a time, however many wait for it. */
  const standing = (): Promise<void> => (probing ??= probe().finally(() => (probing = undefined)));

  return {
    /** False from a failure until something works again. */
    isUp: (): boolean => isUp && failures === 0,

    /** The result of a piece of work, once the broker lets it be done. @throws Error when the signal ended it */
    async run<Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
      for (let isFirst = true; ; isFirst = false) {
        ended.throwIfAborted();
        if (!isUp) await standing();
        try {
          const result = await work(ended);
          // A check alone proves little: the pauses grow until work is done.
          if (failures > 0 || isFirst) {
            failures = 0;
            works();
          }
          return result;
        } catch (error) {
          fail(error);
        }
      }
    },
  };
}
