import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { createFolders, everything, logsOf, openSmall } from '../../support/journal/folders.js';
import { seeded } from '../../support/seeded.js';

// Every octet is tried, or one of so many.
const step = Number(process.env['JOURNAL_STEP'] ?? 1);
const folders = createFolders();
afterAll(() => folders.remove());

const textOf = (number: number): string => `${number} ${'z'.repeat((number * 7) % 40)}`;

async function written(records: number): Promise<string> {
  const folder = folders.fresh();
  const journal = await openSmall(folder, { maxBytes: 6400 });
  for (let at = 0; at < records; at++) await journal.append(Buffer.from(textOf(at)));
  const copy = folders.copy(folder);
  await journal.close();
  return copy;
}

function flip(file: string, at: number, mask = 0xff): void {
  const bytes = readFileSync(file);
  bytes[at]! ^= mask;
  writeFileSync(file, bytes);
}

it('has what was whole, wherever the last file ends', async () => {
  const folder = await written(18);
  const last = logsOf(folder).at(-1)!;
  const { size } = statSync(last);
  let kept = -1;
  for (let end = size % step; end <= size; end += step) {
    const copy = folders.copy(folder);
    truncateSync(join(copy, last.slice(folder.length)), end);
    const journal = await openSmall(copy, { maxBytes: 6400 });
    const found = await everything(journal);
    expect(found).toEqual(found.map((_, position) => ({ position, text: textOf(position) })));
    expect(found.length).toBeGreaterThanOrEqual(kept);
    kept = found.length;
    expect(journal.next()).toBeGreaterThanOrEqual(18);
    const position = await journal.append(Buffer.from('new'));
    expect(position).toBeGreaterThanOrEqual(18);
    expect((await everything(journal)).at(-1)).toEqual({ position, text: 'new' });
    expect(journal.counts().damaged).toBe(0);
    await journal.close();
    folders.drop(copy);
  }
  expect(kept).toBe(18);
});

it('loses the record alone that an octet is wrong in, and counts it', async () => {
  const folder = await written(18);
  const files = logsOf(folder);
  expect(files.length).toBeGreaterThan(1);
  let lost = 0;
  for (const [index, file] of files.entries())
    for (let at = 0; at < statSync(file).size; at += step) {
      const copy = folders.copy(folder);
      flip(join(copy, file.slice(folder.length)), at);
      const journal = await openSmall(copy, { maxBytes: 6400 });
      const found = await everything(journal);
      const { damaged, records } = journal.counts();
      expect(records).toBe(found.length);
      for (const { position, text } of found) expect(text).toBe(textOf(position));
      expect(found.length).toBe(at < 8 ? 18 : 17);
      // The head of the very last one may be that of a record which was never acknowledged.
      if (at >= 8 && !(index === files.length - 1 && found.at(-1)!.position === 16)) expect(damaged).toBe(1);
      expect(journal.next()).toBeGreaterThanOrEqual(18);
      lost += damaged;
      await journal.close();
      folders.drop(copy);
    }
  expect(lost).toBeGreaterThan(100 / step);
});

it('finds damage that comes while it runs', async () => {
  const folder = folders.fresh();
  const journal = await openSmall(folder, { maxBytes: 64_000 });
  for (let at = 0; at < 100; at++) await journal.append(Buffer.from(textOf(at)));
  const [file] = logsOf(folder);
  flip(file!, 8 + 24 + 2);
  flip(file!, 8 + 3 * 24 + 60);
  const found = await everything(journal);
  expect(found.length).toBeLessThan(100);
  expect(found.length + journal.counts().damaged).toBe(100);
  const position = await journal.append(Buffer.from('more'));
  expect((await everything(journal)).at(-1)).toEqual({ position, text: 'more' });
  await journal.close();
});

it('reads nothing out of a payload, not even beside damage', async () => {
  const other = await written(8);
  const forged = readFileSync(logsOf(other)[0]!).subarray(8);
  const folder = folders.fresh();
  const journal = await openSmall(folder);
  for (const payload of [Buffer.from('before'), forged, Buffer.from('after')]) await journal.append(payload);
  const copy = folders.copy(folder);
  await journal.close();
  flip(logsOf(copy)[0]!, 8 + 24 + 6 + 1);
  const again = await openSmall(copy);
  expect((await everything(again)).map(({ text }) => text)).toEqual(['before', 'after']);
  expect(again.counts().damaged).toBe(1);
  await again.close();
});

it('goes on without its mark, with positions that were not given', async () => {
  const folder = await written(20);
  const mark = join(folder, 'mark');
  for (const at of [5, 517]) flip(mark, at);
  const journal = await openSmall(folder, { maxBytes: 6400 });
  expect(await everything(journal)).toHaveLength(20);
  expect(journal.next()).toBeGreaterThanOrEqual(20);
  await journal.close();
});

it('scans hostile octets in a time that grows with their number alone', async () => {
  const random = seeded('scan');
  const folder = folders.fresh();
  const journal = await openSmall(folder, { maxBytes: 64_000_000 });
  // Heads of great lengths at every place, and a damaged head before them.
  const payload = Buffer.alloc(3_000_000, Buffer.from([0, 0, 255, 255, 0, 0, 0, 0, 0, 1]));
  await journal.append(payload);
  await journal.append(Buffer.from('after'));
  const copy = folders.copy(folder);
  await journal.close();
  flip(logsOf(copy)[0]!, 8 + random.below(20));
  const started = performance.now();
  const again = await openSmall(copy, { maxBytes: 64_000_000 });
  expect(performance.now() - started).toBeLessThan(10_000);
  expect((await everything(again)).map(({ text }) => text)).toEqual(['after']);
  await again.close();
});
