import { openJournal } from '../../../src/journal/journal.js';

/** Appends to the journal of a folder for ever, and prints what was acknowledged: `position number`. A failure is printed, and tried again. */
const [folder, start, maxBytes] = [process.argv[2]!, Number(process.argv[3]), Number(process.argv[4])];
const journal = await openJournal(folder, {
  maxBytes,
  segmentBytes: 20_000,
  whenFull: 'refuse',
  fsync: true,
  now: Date.now,
});
let number = start;

async function appendAll(): Promise<void> {
  for (;;) {
    const own = number++;
    try {
      const position = await journal.append(Buffer.from(`${own} ${'x'.repeat((own * 37) % 900)}`));
      process.stdout.write(`${position} ${own}\n`);
    } catch (error) {
      process.stdout.write(`${(error as Error).name}\n`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

async function trimAll(): Promise<void> {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 7));
    const before = journal.first() + Math.floor((journal.next() - journal.first()) / 3);
    await journal.trim(before);
    process.stdout.write(`trimmed ${before}\n`);
  }
}

await Promise.all([appendAll(), appendAll(), appendAll(), trimAll()]);
