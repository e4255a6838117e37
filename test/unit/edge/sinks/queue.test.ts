import { afterAll, expect, it } from 'vitest';
import { openQueue, type Queue } from '../../../../src/edge/sinks/queue.js';
import type { Outgoing } from '../../../../src/edge/sinks/sinks.js';
import { createFolders } from '../../../support/journal/folders.js';
import { seeded } from '../../../support/seeded.js';

const folders = createFolders();
afterAll(() => folders.remove());

const settings = { maxBytes: 1_000_000, maxAge: 1e9, fsync: false };
const open = (folder: string, given = {}): Promise<Queue> =>
  openQueue(folder, { ...settings, ...given }, () => 1_000_000);
const most = { records: 10, bytes: 1e6 };

function message(id: number | string, priority: Outgoing['priority'] = 'normal', payload = 'x'): Outgoing {
  return {
    id: String(id),
    account: 'acme',
    thing: 'pump',
    topic: 'acme/pump/t',
    payload: Buffer.from(payload),
    priority,
    at: 5,
  };
}

async function drain(queue: Queue): Promise<string[]> {
  const ids: string[] = [];
  for (;;) {
    const batch = await queue.peek(most);
    if (batch.length === 0) return ids;
    ids.push(...batch.map(({ id }) => id));
    await queue.take(batch);
  }
}

it('gives messages back as they were, in the order in which they came, whatever their priorities', async () => {
  const random = seeded('queue');
  let folder = folders.fresh();
  let queue = await open(folder);
  const ids: string[] = [];
  const taken: string[] = [];
  for (let step = 0; step < 300; step++) {
    const kind = random.below(20);
    if (kind < 12) {
      const id = String(step);
      ids.push(id);
      await queue.put(message(id, random.pick(['low', 'normal', 'high'])));
    } else if (kind < 19) {
      const batch = (await queue.peek(most)).slice(0, random.between(1, 11));
      taken.push(...batch.map(({ id }) => id));
      await queue.take(batch);
    } else {
      const copy = folders.copy(folder);
      await queue.close();
      folder = random.chance(0.5) ? folder : copy;
      queue = await open(folder);
      expect(queue.counts().kept).toBe(ids.length - taken.length);
    }
  }
  taken.push(...(await drain(queue)));
  expect(taken).toEqual(ids);
  const whole = message('whole', 'high', 'ü\0');
  await queue.put(whole);
  expect((await queue.peek(most))[0]).toMatchObject({
    id: 'whole',
    account: 'acme',
    thing: 'pump',
    topic: 'acme/pump/t',
    priority: 'high',
    at: 5,
  });
  expect(Buffer.from((await queue.peek(most))[0]!.payload).toString()).toBe('ü\0');
  expect(queue.counts()).toMatchObject({ kept: 1, oldestAt: 5 });
  await queue.close();
});

it('keeps the order of what comes at once', async () => {
  const queue = await open(folders.fresh(), { fsync: true });
  const all = Array.from({ length: 500 }, (_, id) => queue.put(message(id, id % 3 === 0 ? 'high' : 'low')));
  const early = await queue.peek(most);
  expect(early.map(({ id }) => Number(id))).toEqual(early.map((_, index) => index));
  await Promise.all(all);
  expect((await drain(queue)).map(Number)).toEqual(Array.from({ length: 500 }, (_, id) => id));
  await queue.close();
});

it('drops the oldest of the lowest priority, and counts it', async () => {
  const queue = await open(folders.fresh(), { maxBytes: 150_000 });
  const payload = 'y'.repeat(900);
  const put = async (from: number, to: number, priority: Outgoing['priority']): Promise<void> => {
    for (let id = from; id < to; id++) await queue.put(message(id, priority, payload));
  };
  await put(0, 60, 'high');
  await put(60, 120, 'low');
  await put(120, 180, 'normal');
  const { kept, dropped } = queue.counts();
  expect(kept + dropped).toBe(180);
  expect(dropped).toBeGreaterThan(0);
  const before = (await queue.peek({ records: 1, bytes: 1 })).map(({ id }) => id);
  expect(before).toEqual(['0']);
  await put(180, 400, 'high');
  const left = await drain(queue);
  // All low ones and all normal ones went before the first of the high ones did.
  expect(left.every((id) => Number(id) < 60 || Number(id) >= 180)).toBe(true);
  expect(left.map(Number)).toEqual([...left.map(Number)].sort((one, other) => one - other));
  expect(left.at(-1)).toBe('399');
  const after = queue.counts();
  expect(after.kept).toBe(0);
  expect(after.dropped + left.length).toBe(400);
  await queue.close();
});

it('drops what comes where everything else is worth more', async () => {
  const queue = await open(folders.fresh(), { maxBytes: 100_000 });
  for (let id = 0; id < 200; id++) await queue.put(message(id, 'high', 'z'.repeat(900)));
  const before = queue.counts();
  await queue.put(message('late', 'low', 'z'.repeat(90_000)));
  expect(queue.counts()).toMatchObject({ kept: before.kept, dropped: before.dropped + 1 });
  await queue.close();
});

it('holds its bound while many come at once', async () => {
  const queue = await open(folders.fresh(), { maxBytes: 100_000 });
  await Promise.all(Array.from({ length: 1000 }, (_, id) => queue.put(message(id, 'normal', 'z'.repeat(900)))));
  const { kept, dropped, bytes } = queue.counts();
  expect(kept + dropped).toBe(1000);
  expect(bytes).toBeLessThanOrEqual(100_000);
  const left = (await drain(queue)).map(Number);
  expect(left).toEqual(Array.from({ length: kept }, (_, index) => 1000 - kept + index));
  await queue.close();
});
