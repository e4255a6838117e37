import { afterAll, expect, it } from 'vitest';
import { JournalFullError, type Journal, type JournalOptions } from '../../../src/journal/journal.js';
import { createFolders, everything, openSmall } from '../../support/journal/folders.js';
import type { Random } from '../../support/policy-cases.js';
import { seeded } from '../../support/seeded.js';

const histories = Number(process.env['JOURNAL_HISTORIES'] ?? 300);
const folders = createFolders();
afterAll(() => folders.remove());

type Record = { position: number; text: string };

/** A journal beside a list that is what it must be. */
async function run(random: Random): Promise<{ appended: number; refused: number; dropped: number }> {
  const options: Partial<JournalOptions> = {
    maxBytes: random.pick([2000, 20_000, 200_000]),
    segmentBytes: random.pick([100, 1000, 1_000_000]),
    whenFull: random.pick(['refuse', 'drop-oldest']),
    fsync: random.chance(0.1),
  };
  let folder = folders.fresh();
  let journal = await openSmall(folder, options);
  let model: Record[] = [];
  let [number, highest, refused, appended, dropped] = [0, -1, 0, 0, 0];

  const appendSome = async (): Promise<void> => {
    const texts = Array.from({ length: random.between(1, 8) }, () => `${number++} ${'y'.repeat(random.below(300))}`);
    const results = await Promise.allSettled(texts.map((text) => journal.append(Buffer.from(text, 'latin1'))));
    for (const [index, result] of results.entries())
      if (result.status === 'fulfilled') {
        expect(result.value).toBeGreaterThan(highest);
        highest = result.value;
        model.push({ position: highest, text: texts[index]! });
        appended++;
      } else {
        expect(result.reason).toBeInstanceOf(JournalFullError);
        expect(options.whenFull).toBe('refuse');
        refused++;
      }
  };

  const matches = async (): Promise<void> => {
    const found = await everything(journal);
    if (options.whenFull === 'drop-oldest') {
      dropped += model.length - found.length;
      model = model.slice(model.length - found.length);
    }
    expect(found).toEqual(model);
    expect(journal.counts()).toMatchObject({ records: model.length, damaged: 0 });
    expect(journal.first()).toBe(model[0]?.position ?? journal.next());
    expect(journal.next()).toBeGreaterThan(highest);
  };

  const readSome = async (): Promise<void> => {
    const from = random.below(highest + 3);
    const most = { records: random.between(1, 10), bytes: random.between(1, 1000) };
    const found = await journal.read(from, most);
    const rest = (await everything(journal)).filter(({ position }) => position >= from);
    let octets = 0;
    const expected = rest
      .slice(0, most.records)
      .filter(({ text }, index) => (octets += text.length) <= most.bytes || index === 0);
    expect(found.map(({ position }) => position)).toEqual(expected.map(({ position }) => position));
  };

  const trimSome = async (): Promise<void> => {
    const before = random.chance(0.2) ? journal.next() : random.below(highest + 3);
    await journal.trim(before);
    model = model.filter(({ position }) => position >= before);
    await everything(journal);
  };

  const reopen = async (old: Journal): Promise<void> => {
    if (random.chance(0.5)) await old.close();
    else {
      const copy = folders.copy(folder);
      await old.close();
      folders.drop(folder);
      folder = copy;
    }
    journal = await openSmall(folder, options);
  };

  for (let step = 0; step < 14; step++) {
    const kind = random.below(10);
    if (kind < 5) await appendSome();
    else if (kind < 7) await readSome();
    else if (kind < 9) await trimSome();
    else await reopen(journal);
    await matches();
  }
  await journal.close();
  folders.drop(folder);
  return { appended, refused, dropped };
}

it('is what a plain list is, through random histories with restarts and kills', async () => {
  const random = seeded('histories');
  const sums = { appended: 0, refused: 0, dropped: 0 };
  for (let history = 0; history < histories; history++) {
    const { appended, refused, dropped } = await run(random);
    sums.appended += appended;
    sums.refused += refused;
    sums.dropped += dropped;
  }
  console.log(
    `journal histories=${histories} appended=${sums.appended} refused=${sums.refused} dropped=${sums.dropped}`,
  );
  expect(Math.min(sums.refused, sums.dropped)).toBeGreaterThan(0);
});
