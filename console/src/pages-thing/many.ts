/** What came of one of many. */
export type Result = { name: string; error?: unknown };

const atOnce = 4;

/** Does work for each of many, a few at a time, and tells what came of each as it comes. */
export async function doMany<Item extends { name: string }>(
  items: readonly Item[],
  work: (item: Item) => Promise<unknown>,
  tell: (results: Result[]) => void,
): Promise<void> {
  const results: Result[] = [];
  const doOne = async (item: Item) => {
    const { name } = item;
    await work(item).then(
      () => results.push({ name }),
      (error: unknown) => results.push({ name, error }),
    );
    tell([...results]);
  };
  const [first, ...rest] = items;
  // The first goes alone: if it asks for a fresh factor, the others have it then.
  if (first !== undefined) await doOne(first);
  const queue = rest.values();
  const takeTurns = async () => {
    for (const item of queue) await doOne(item);
  };
  await Promise.all(Array.from({ length: atOnce }, takeTurns));
}
