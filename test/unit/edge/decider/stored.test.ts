import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createStateFolder, type StoredMark } from '../../../../src/edge/state/stored.js';

const key = 'twk_test';
const markAt = (position: number): StoredMark => ({
  cursor: `0b0e2a3c-0000-4000-8000-000000000000:${position}`,
  serverTime: 1_000_000 + position,
  wall: 2_000_000,
  usedMs: position,
  refused: false,
});

describe('the state of an edge on disk', () => {
  let folder: string;
  const open = (apiKey = key) => createStateFolder(folder, apiKey);
  const files = (): string[] => readdirSync(folder).sort();

  /** A base of two records and two additions. */
  const written = async () => {
    const state = open();
    await state.prepare();
    expect(state.isFull()).toBe(true);
    await state.replace(
      [
        ['page', 1],
        ['policy', 'ü'],
      ],
      markAt(1),
    );
    expect(state.isFull()).toBe(false);
    await state.append([['entry', 2]], markAt(2));
    await state.append([], markAt(3));
    await state.append([['entry', 4]], markAt(4));
    return state;
  };

  beforeEach(() => void (folder = join(mkdtempSync(join(tmpdir(), 'edge-state-')), 'state')));
  afterEach(() => rmSync(join(folder, '..'), { recursive: true, force: true }));

  it('is read as it was written, by an edge with the same key alone', async () => {
    await written();
    const records = [
      ['page', 1],
      ['policy', 'ü'],
      ['entry', 2],
      ['entry', 4],
    ];
    expect(await open().read()).toEqual({ records, mark: markAt(4) });
    expect(await open('another').read()).toMatchObject({ reason: expect.stringContaining('not written by an edge') });
  });

  it('belongs to its owner alone', async () => {
    await written();
    expect(files()).toEqual(['base-1', 'journal-1', 'mark']);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    for (const name of files()) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
  });

  it('is nothing where there is none', async () => {
    expect(await open().read()).toEqual({ reason: 'there is none' });
  });

  it('is refused when any octet of any file is another', async () => {
    await written();
    let tried = 0;
    for (const name of files()) {
      const whole = readFileSync(join(folder, name));
      for (let at = 0; at < whole.length; at++) {
        const changed = Buffer.from(whole);
        changed[at]! ^= 1 << (at % 8);
        writeFileSync(join(folder, name), changed);
        expect(await open().read(), `${name} ${at}`).toMatchObject({ reason: expect.any(String) });
        tried++;
      }
      writeFileSync(join(folder, name), whole);
    }
    expect(tried).toBeGreaterThan(200);
    expect(await open().read()).toMatchObject({ mark: markAt(4) });
  });

  it('is refused when a file is cut, missing, or from another time', async () => {
    const state = await written();
    const before = `${folder}-before`;
    cpSync(folder, before, { recursive: true });
    await state.append([['entry', 5]], markAt(5));
    for (const name of ['base-1', 'journal-1']) {
      const whole = readFileSync(join(folder, name));
      truncateSync(join(folder, name), whole.length - 1);
      expect(await open().read(), `${name} is cut`).toMatchObject({ reason: expect.stringContaining('shorter') });
      rmSync(join(folder, name));
      expect(await open().read(), `without ${name}`).toHaveProperty('reason');
      writeFileSync(join(folder, name), whole);
    }
    cpSync(join(before, 'journal-1'), join(folder, 'journal-1'));
    expect(await open().read()).toHaveProperty('reason');
    rmSync(before, { recursive: true });
  });

  it('survives a stop between the lines and the mark, at the mark before', async () => {
    const state = await written();
    writeFileSync(join(folder, 'journal-1'), Buffer.from('["entry",6]\n'), { flag: 'a' });
    expect(await open().read()).toMatchObject({ mark: markAt(4), records: { length: 4 } });
    // The one who goes on writes over it.
    await state.append([['entry', 7]], markAt(7));
    const found = await open().read();
    expect(found).toMatchObject({ mark: markAt(7) });
    expect('records' in found && found.records.at(-1)).toEqual(['entry', 7]);
  });

  it('is replaced by a new one, of which nothing old is left', async () => {
    const state = await written();
    await state.replace([['page', 8]], markAt(8));
    expect(files()).toEqual(['base-2', 'mark']);
    expect(await open().read()).toEqual({ records: [['page', 8]], mark: markAt(8) });
  });

  it('is full when what was added is more than what it was added to', async () => {
    const state = await written();
    const large = Array.from({ length: 40 }, (_, n) => ['entry', n, 'x'.repeat(32_768)]);
    await state.append(large, markAt(9));
    expect(state.isFull()).toBe(true);
    expect(await open().read()).toMatchObject({ records: { length: 44 } });
  });
});
