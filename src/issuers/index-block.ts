import { randomInt } from 'node:crypto';

const blockSize = 1024;

/**
 * Hands out an issuer's indices one by one. They are reserved in blocks, before anything is signed, and
 * shuffled inside a block so that neighbours in time are not neighbours in number. What a crash leaves
 * of a block is a hole; no index is given twice.
 */
export function createIndexSource(reserve: (count: number) => Promise<bigint>): () => Promise<bigint> {
  let block: bigint[] = [];
  let refill: Promise<void> | undefined;

  const fetchBlock = async () => {
    const first = await reserve(blockSize);
    block = shuffled(Array.from({ length: blockSize }, (_, offset) => first + BigInt(offset)));
  };

  return async () => {
    for (;;) {
      const index = block.pop();
      if (index !== undefined) return index;
      refill ??= fetchBlock().finally(() => (refill = undefined));
      await refill;
    }
  };
}

function shuffled(items: bigint[]): bigint[] {
  for (let last = items.length - 1; last > 0; last--) {
    const other = randomInt(last + 1);
    [items[last], items[other]] = [items[other]!, items[last]!];
  }
  return items;
}
