import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { afterAll, describe, expect, it } from 'vitest';
import { openJournal, type Journal } from '../../../src/journal/journal.js';
import { createFolders } from '../../support/journal/folders.js';
import { seeded } from '../../support/seeded.js';

const kills = Number(process.env['JOURNAL_KILLS'] ?? 12);
const program = new URL('../../support/journal/appender.ts', import.meta.url).pathname;
const folders = createFolders();
afterAll(() => folders.remove());

type Said = { positions: Map<number, number>; trimmed: number; failures: string[] };

/** Runs the program until it has said so many lines more, and kills it. */
async function run(
  folder: string,
  said: Said,
  lines: number,
  { maxBytes = 100_000_000, shell = '' } = {},
): Promise<void> {
  const start = Math.max(-1, ...said.positions.values()) + 1;
  const words = ['--import', 'tsx', program, folder, String(start), String(maxBytes)];
  const child =
    shell === ''
      ? spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
      : spawn('bash', ['-c', `${shell}; exec "$@"`, 'bash', process.execPath, ...words], {
          stdio: ['ignore', 'pipe', 'inherit'],
        });
  let left = lines;
  for await (const line of createInterface(child.stdout)) {
    const [first, second] = line.split(' ');
    if (first === 'trimmed') said.trimmed = Math.max(said.trimmed, Number(second));
    else if (second === undefined) said.failures.push(first!);
    else {
      expect(said.positions.has(Number(first))).toBe(false);
      said.positions.set(Number(first), Number(second));
    }
    if (--left === 0) child.kill('SIGKILL');
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  expect(child.signalCode).toBe('SIGKILL');
}

async function numbersOf(journal: Journal): Promise<Map<number, number>> {
  const kept = await journal.read(0, { records: Infinity, bytes: Infinity });
  return new Map(kept.map(({ position, payload }) => [position, Number(payload.toString().split(' ', 1)[0])]));
}

async function check(folder: string, said: Said): Promise<number> {
  const journal = await openJournal(folder, { maxBytes: 100_000_000, whenFull: 'refuse', fsync: true, now: Date.now });
  const found = await numbersOf(journal);
  const { damaged, dropped } = journal.counts();
  expect([damaged, dropped]).toEqual([0, 0]);
  const kept = [...said.positions].filter(([position]) => position >= journal.first());
  expect(kept.map(([position]) => [position, found.get(position)])).toEqual(kept);
  // A trim that was under way when it was killed may have been done.
  expect(journal.first()).toBeGreaterThanOrEqual(said.trimmed);
  expect(journal.next()).toBeGreaterThan(Math.max(...said.positions.keys()));
  await journal.close();
  return kept.length;
}

const nothingSaid = (): Said => ({ positions: new Map(), trimmed: 0, failures: [] });

it('has everything that was acknowledged, however often it is killed', async () => {
  const random = seeded('journal kills');
  const folder = folders.fresh();
  const said = nothingSaid();
  for (let kill = 0; kill < kills; kill++) {
    await run(folder, said, random.between(1, 800));
    await check(folder, said);
  }
  console.log(`journal kills=${kills} acked=${said.positions.size} lost=0`);
});

describe('on a disk that is full', () => {
  it('says so where a file may not grow, and goes on', async () => {
    const folder = folders.fresh();
    const said = nothingSaid();
    await run(folder, said, 400, { shell: "trap '' XFSZ; ulimit -f 10" });
    expect(said.failures.length).toBeGreaterThan(0);
    expect(new Set(said.failures)).toEqual(new Set(['JournalFullError']));
    expect(said.positions.size).toBeGreaterThan(20);
    expect(await check(folder, said)).toBeGreaterThan(0);
  });

  const mounts = canMount();
  it.skipIf(!mounts)('takes more once there is room', async () => {
    const folder = folders.fresh();
    mkdirSync(folder);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', folder]);
    try {
      const journal = await openJournal(folder, {
        maxBytes: 100_000_000,
        segmentBytes: 40_000,
        whenFull: 'refuse',
        fsync: true,
        now: Date.now,
      });
      const acknowledged = new Map<number, number>();
      const fill = async (from: number): Promise<number> => {
        for (let number = from; ; number++)
          acknowledged.set(await journal.append(Buffer.from(`${number} ${'x'.repeat(1000)}`)), number);
      };
      await expect(fill(0)).rejects.toThrow('the disk is full');
      expect(await numbersOf(journal)).toEqual(acknowledged);
      await expect(fill(1000)).rejects.toThrow('the disk is full');
      const half = [...acknowledged.keys()][100]!;
      await journal.trim(half);
      for (const position of [...acknowledged.keys()]) if (position < half) acknowledged.delete(position);
      const before = acknowledged.size;
      await expect(fill(2000)).rejects.toThrow('the disk is full');
      expect(acknowledged.size).toBeGreaterThan(before + 50);
      await journal.close();
      const again = await openJournal(folder, {
        maxBytes: 100_000_000,
        whenFull: 'refuse',
        fsync: true,
        now: Date.now,
      });
      expect(await numbersOf(again)).toEqual(acknowledged);
      await again.close();
    } finally {
      execFileSync('umount', [folder]);
    }
  });
});

function canMount(): boolean {
  const folder = folders.fresh();
  mkdirSync(folder);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder], { stdio: 'ignore' });
    execFileSync('umount', [folder]);
    return true;
  } catch {
    console.log('no tmpfs can be mounted here: the full disk is tried by the limit of a file alone');
    return false;
  }
}
