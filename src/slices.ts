const sliceMs = 2;

// Work that waits for its next slice, of everybody. One slice runs in a turn of the event loop, however much work there is.
const waiting: (() => void)[] = [];

/** The pieces of work of one who does it step by step. All such work together takes one slice in each turn of the event loop. */
export function createSlice() {
  let started = performance.now();
  return {
    isOver: (): boolean => performance.now() - started >= sliceMs,
    /** Resolves when the next slice begins. */
    async next(): Promise<void> {
      await nextSlice();
      started = performance.now();
    },
  };
}

/** Runs long work to its end in slices, and lets everything else go on in between. */
export async function inSlices<Result>(work: Generator<void, Result>): Promise<Result> {
  const slice = createSlice();
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
    if (slice.isOver()) await slice.next();
  }
}

function nextSlice(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (waiting.length === 1) setImmediate(runNext);
  });
}

function runNext(): void {
  waiting.shift()!();
  if (waiting.length > 0) setImmediate(runNext);
}
