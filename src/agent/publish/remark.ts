const everyMs = 10_000;

/** Tells of what happens, the first time at once, and then of all that happened in so long: a flood of it is no flood of words. */
export function createRemark(say: (count: number, text: string) => void) {
  let untold = 0;
  let last = '';
  let timer: NodeJS.Timeout | undefined;

  const flush = (): void => {
    if (untold > 0) say(untold, last);
    untold = 0;
  };

  return {
    add(count: number, text: string): void {
      untold += count;
      last = text;
      if (timer) return;
      flush();
      timer = setTimeout(() => {
        timer = undefined;
        flush();
      }, everyMs).unref();
    },
    /** Tells what was not told yet. */
    flush,
  };
}
