const sliceMs = 2;

/** Runs long work to its end, a few milliseconds at a time, and lets everything else go on in between. */
export async function inSlices<Result>(work: Generator<void, Result>): Promise<Result> {
  let started = performance.now();
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
    if (performance.now() - started < sliceMs) continue;
    await new Promise((resolve) => setImmediate(resolve));
    started = performance.now();
  }
}
