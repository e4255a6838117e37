import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createStateFolder } from '../../../src/edge/state/stored.js';
import { createGranted, type Granted } from '../../../src/reaper/work/granted.js';

describe('what sessions were given', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'granted-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const grant = { rights: { allow: [], deny: [] }, until: 0, revoked: 0, position: 1, isBarred: false };
  /** A run of the reaper, which takes up what the one before kept. */
  const run = async (): Promise<Granted> => {
    const granted = createGranted({ folder: createStateFolder(folder, 'twk_key'), now: () => 0, most: 100 });
    await granted.restore();
    return granted;
  };

  it('is that of a first run until one has compared everything, however often it is killed before', async () => {
    const killed = await run();
    expect(killed.isFirst()).toBe(true);
    killed.set('listed', grant);
    await killed.keep();
    const again = await run();
    expect([again.isFirst(), again.names()]).toEqual([true, ['listed']]);
    again.set('listed later', grant);
    await again.keep();
    expect((await run()).isFirst()).toBe(true);
    again.began();
    expect(again.isFirst()).toBe(false);
    await again.keep();
    const later = await run();
    expect([later.isFirst(), later.names()]).toEqual([false, ['listed', 'listed later']]);
  });

  it('is that of a first run too where nothing was listed', async () => {
    const empty = await run();
    await empty.keep();
    expect((await run()).isFirst()).toBe(true);
    empty.began();
    await empty.keep();
    expect((await run()).isFirst()).toBe(false);
  });
});
