const sliceMs = 2;

// Work that waits for its next slice, of everybody: one slice runs in a turn of the event loop, however much work there is.
const waiting: (() => void)[] = [];

/** What one worker has of the slices. */
function createSlice() {
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

/**
 * Does work on a few items at a time, in their order, in slices, until it says that this was the last.
 * What `work` throws ends it.
 */
export async function inSlicesOf<Item>(
  items: readonly Item[],
  few: number,
  work: (some: Item[]) => Promise<'last' | void> | 'last' | void,
): Promise<void> {
  const slice = createSlice();
  for (let first = 0; first < items.length; first += few) {
    if ((await work(items.slice(first, first + few))) === 'last') return;
    if (slice.isOver()) await slice.next();
  }
}

/** Runs long work to its end in slices, and lets everything else run in between. */
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
