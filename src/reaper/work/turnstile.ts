/** Lets work pass, no more than some at a time, in the order in which it came. */
export type Turnstile = <Result>(work: () => Promise<Result>) => Promise<Result>;

/** Makes a turnstile for `most` pieces of work. What waits is as much as its callers start. */
export function createTurnstile(most: number): Turnstile {
  const waiting: (() => void)[] = [];
  let passing = 0;

  return async (work) => {
    if (passing >= most) await new Promise<void>((resolve) => waiting.push(resolve));
    else passing++;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      // The place of one becomes that of the next.
      if (next) next();
      else passing--;
    }
  };
}

/** Does work for each of many, no more than some at a time. @throws what the first that fails throws, once all under way are settled */
export async function forEach<Item>(
  items: readonly Item[],
  most: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const left = items.values();
  const errors: unknown[] = [];
  const run = async (): Promise<void> => {
    for (const item of left) {
      if (errors.length > 0) return;
      await work(item).catch((error: unknown) => void errors.push(error));
    }
  };
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, run));
  if (errors.length > 0) throw errors[0];
}
