import { rmSync } from 'node:fs';
import { afterAll, expect, it } from 'vitest';
import { JournalFullError, openJournal } from '../../../src/journal/journal.js';
import { createFolders, everything, logsOf, openSmall } from '../../support/journal/folders.js';

const folders = createFolders();
afterAll(() => folders.remove());

it('keeps what was appended, in order, over a restart', async () => {
  const folder = folders.fresh();
  const journal = await openSmall(folder);
  const positions = await Promise.all(['a', 'b', '', 'd'].map((text) => journal.append(Buffer.from(text))));
  expect(positions).toEqual([0, 1, 2, 3]);
  expect(journal.counts()).toMatchObject({ records: 4, damaged: 0, dropped: 0 });
  await journal.close();
  const again = await openSmall(folder);
  expect(await everything(again)).toEqual(['a', 'b', '', 'd'].map((text, position) => ({ position, text })));
  expect(await again.append(Buffer.from('e'))).toBe(4);
  expect(logsOf(folder)).toHaveLength(1);
  await again.close();
});

it('never gives a position twice, not even where nothing is left', async () => {
  const folder = folders.fresh();
  const journal = await openSmall(folder);
  for (let at = 0; at < 10; at++) await journal.append(Buffer.from('x'));
  await journal.trim(10);
  expect(journal.counts()).toMatchObject({ records: 0, bytes: 0 });
  expect(journal.first()).toBe(10);
  await journal.close();
  const again = await openSmall(folder);
  expect([again.first(), again.next(), logsOf(folder)]).toEqual([10, 10, []]);
  // Killed: nobody knows how far it came.
  const copy = folders.copy(folder);
  await again.append(Buffer.from('y'));
  const lost = folders.copy(folder);
  for (const file of logsOf(lost)) rmSync(file);
  await again.close();
  const third = await openSmall(lost);
  expect(third.next()).toBeGreaterThan(10);
  await third.close();
  await openSmall(copy).then((other) => other.close());
});

it('returns at most what was asked for, and one at least', async () => {
  const journal = await openSmall(folders.fresh(), { maxBytes: 4_000_000 });
  for (let at = 0; at < 100; at++) await journal.append(Buffer.alloc(10_000, at));
  expect((await journal.read(5, { records: 3, bytes: 1e9 })).map(({ position }) => position)).toEqual([5, 6, 7]);
  expect((await journal.read(5, { records: 100, bytes: 25_000 })).map(({ position }) => position)).toEqual([5, 6]);
  expect((await journal.read(5, { records: 100, bytes: 1 })).map(({ position }) => position)).toEqual([5]);
  expect(await journal.read(100, { records: 1, bytes: 1 })).toEqual([]);
  await journal.close();
});

it('refuses what is over its bound, and takes more when something is no longer needed', async () => {
  const journal = await openSmall(folders.fresh(), { maxBytes: 10_000 });
  const kept: number[] = [];
  const full = async () => {
    for (;;) kept.push(await journal.append(Buffer.alloc(300)));
  };
  await expect(full()).rejects.toThrow(JournalFullError);
  expect(kept.length).toBeGreaterThan(20);
  await expect(journal.append(Buffer.alloc(20_000))).rejects.toThrow(JournalFullError);
  await journal.trim(kept[10]!);
  kept.push(await journal.append(Buffer.alloc(300)));
  expect((await everything(journal)).map(({ position }) => position)).toEqual(kept.slice(10));
  await journal.trim(journal.next());
  // The whole of it, although its last file was not at its end yet.
  kept.push(await journal.append(Buffer.alloc(9_900)));
  expect(journal.counts().records).toBe(1);
  await journal.close();
});

it('gives up the oldest where it may', async () => {
  const journal = await openSmall(folders.fresh(), { maxBytes: 10_000, whenFull: 'drop-oldest' });
  for (let at = 0; at < 200; at++) await journal.append(Buffer.alloc(300));
  const { records, dropped, bytes } = journal.counts();
  expect(records + dropped).toBe(200);
  expect(records).toBeGreaterThan(20);
  expect(bytes).toBeLessThanOrEqual(10_000);
  expect(journal.first()).toBe(dropped);
  await journal.close();
});

it('gives up what is too old, exact to an eighth', async () => {
  let time = 1_000_000;
  const journal = await openSmall(folders.fresh(), { maxAgeMs: 8000, now: () => time });
  for (let at = 0; at < 30; at++, time += 1000) await journal.append(Buffer.from('x'));
  const oldest = (await everything(journal))[0]!.position;
  expect(oldest).toBeGreaterThanOrEqual(19);
  expect(oldest).toBeLessThanOrEqual(22);
  time += 20_000;
  expect(await everything(journal)).toEqual([]);
  expect(journal.counts()).toMatchObject({ records: 0, dropped: 30 });
  await journal.close();
});

it('belongs to one at a time', async () => {
  const folder = folders.fresh();
  const options = { maxBytes: 1000, whenFull: 'refuse', fsync: false, now: Date.now } as const;
  const journal = await openJournal(folder, options);
  await expect(openJournal(folder, options)).rejects.toThrow('is in use by another process');
  await journal.close();
  const opened = await Promise.allSettled(Array.from({ length: 5 }, () => openJournal(folder, options)));
  const held = opened.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  expect(held.length).toBeLessThanOrEqual(1);
  for (const each of held) await each.close();
  await (await openJournal(folder, options)).close();
});

it('refuses everything once it is closed', async () => {
  const journal = await openSmall(folders.fresh());
  const last = journal.append(Buffer.from('x'));
  await journal.close();
  expect(await last).toBe(0);
  await expect(journal.append(Buffer.from('y'))).rejects.toThrow('is closed');
  await expect(journal.read(0, { records: 1, bytes: 1 })).rejects.toThrow('is closed');
  await journal.close();
});
