/** Records one item, together with the others that arrive at the same time. */
export type GroupCommit<Item, Outcome> = (item: Item) => Promise<Outcome>;

type Options<Item, Outcome> = {
  /** Records a batch in one transaction and returns the outcomes in its order. */
  record(items: Item[]): Promise<Outcome[]>;
  /** Items that share one of these never stand in the same batch: the later waits for the next. */
  keysOf(item: Item): string[];
  /** Whether a batch that failed so may go well in parts. A database that is away fails everyone at once. */
  isConflict(error: unknown): boolean;
};

type Waiting<Item, Outcome> = { item: Item; resolve(outcome: Outcome): void; reject(error: unknown): void };

const maxBatch = 128;
const attemptsAlone = 3;

/**
 * Gathers what arrives while a transaction runs into the next one: one fsync for many items, and no
 * waiting when there is nobody to wait for. A batch that fails for its data is taken apart, so that one bad
 * item fails alone.
 */
export function createGroupCommit<Item, Outcome>({
  record,
  keysOf,
  isConflict,
}: Options<Item, Outcome>): GroupCommit<Item, Outcome> {
  type Entry = Waiting<Item, Outcome>;
  let queue: Entry[] = [];
  let running = false;

  const takeBatch = (): Entry[] => {
    const batch: Entry[] = [];
    const rest: Entry[] = [];
    const taken = new Set<string>();
    for (const entry of queue) {
      const keys = keysOf(entry.item);
      if (batch.length === maxBatch || keys.some((key) => taken.has(key))) rest.push(entry);
      else batch.push(entry);
      for (const key of keys) taken.add(key);
    }
    queue = rest;
    return batch;
  };

  const recordAlone = async ({ item, resolve, reject }: Entry) => {
    for (let attempt = 1; ; attempt++) {
      try {
        return resolve((await record([item]))[0]!);
      } catch (error) {
        if (attempt === attemptsAlone || !isConflict(error)) return reject(error);
      }
    }
  };

  const recordBatch = async (batch: Entry[]) => {
    try {
      const outcomes = await record(batch.map(({ item }) => item));
      batch.forEach(({ resolve }, at) => resolve(outcomes[at]!));
    } catch (error) {
      if (!isConflict(error)) return batch.forEach(({ reject }) => reject(error));
      for (const entry of batch) await recordAlone(entry);
    }
  };

  const run = async () => {
    while (queue.length > 0) await recordBatch(takeBatch());
    running = false;
  };

  return (item) =>
    new Promise<Outcome>((resolve, reject) => {
      queue.push({ item, resolve, reject });
      if (running) return;
      running = true;
      // After the I/O of this turn, so that requests which arrived together go together.
      setImmediate(() => void run());
    });
}
