import { describe, expect, it } from 'vitest';
import { createGroupCommit } from '../../../src/provisioning/group-commit.js';

const conflict = new Error('conflict');
const away = new Error('away');

/** Records numbers; what `fail` names fails the batch that it is in. */
function recorder(fail: (batch: number[]) => Error | undefined = () => undefined) {
  const batches: number[][] = [];
  const commit = createGroupCommit<number, string>({
    async record(items) {
      batches.push(items);
      await new Promise((resolve) => setTimeout(resolve, 1));
      const error = fail(items);
      if (error) throw error;
      return items.map(String);
    },
    keysOf: (item) => [`tens ${Math.floor(item / 10)}`],
    isConflict: (error) => error === conflict,
  });
  return { batches, commit };
}

describe('createGroupCommit', () => {
  it('records what arrives together in one batch, and gives each its own outcome', async () => {
    const { batches, commit } = recorder();
    const items = [10, 20, 30, 40];
    expect(await Promise.all(items.map(commit))).toEqual(['10', '20', '30', '40']);
    expect(batches).toEqual([items]);
  });

  it('never puts two of one key into a batch, and keeps their order', async () => {
    const { batches, commit } = recorder();
    await Promise.all([11, 12, 21, 13].map(commit));
    expect(batches).toEqual([[11, 21], [12], [13]]);
  });

  it('takes a batch apart that fails for its data: one bad item fails alone', async () => {
    const { commit } = recorder((batch) => (batch.includes(20) ? conflict : undefined));
    const results = await Promise.allSettled([10, 20, 30].map(commit));
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  it('fails everyone at once when the database is away, and goes on afterwards', async () => {
    let down = true;
    const { batches, commit } = recorder(() => (down ? away : undefined));
    const results = await Promise.allSettled(Array.from({ length: 100 }, (_, n) => commit(n * 10)));
    expect(results.every(({ status }) => status === 'rejected')).toBe(true);
    expect(batches).toHaveLength(1);
    down = false;
    expect(await commit(10)).toBe('10');
  });

  it('puts at most 128 into a batch', async () => {
    const { batches, commit } = recorder();
    await Promise.all(Array.from({ length: 300 }, (_, n) => commit(n * 10)));
    expect(batches.map(({ length }) => length)).toEqual([128, 128, 44]);
  });
});
