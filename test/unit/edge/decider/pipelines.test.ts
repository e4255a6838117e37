import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createDecider, type Decider } from '../../../../src/edge/decider/decider.js';
import { scriptControlPlane } from '../../../support/edge/scripted-control-plane.js';

const versionOf = (name: string, version: number) => ({ name, version, document: { name, values: { t: '$.t' } } });

let script: ReturnType<typeof scriptControlPlane>;
let folder: string;
let open: Decider[];

const start = async (): Promise<Decider> => {
  const stateDir = join(folder, 'state');
  const made = await createDecider({
    server: 'https://x.example',
    key: 'twk_x',
    name: 'e',
    stateDir,
    fetch: script.fetch,
  });
  open.push(made);
  return made;
};
const active = (of: Decider) => of.pipelines.active() && [...of.pipelines.active()!.values()];
const snapshots = () => script.told.filter(({ path }) => path.startsWith('/v1/edge/snapshot')).length;

beforeEach(() => {
  script = scriptControlPlane();
  folder = mkdtempSync(join(tmpdir(), 'decider-'));
  open = [];
});
afterEach(async () => {
  for (const each of open) await each.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('the active pipelines that a decider knows', () => {
  it('are those of the snapshot and of the stream, and stay over a restart in the dark', async () => {
    script.pipelines = [versionOf('a', 1), versionOf('b', 3)];
    const decider = await start();
    const changed = vi.fn();
    decider.pipelines.follow(changed);
    expect(active(decider)).toEqual([versionOf('a', 1), versionOf('b', 3)]);
    script.say({ type: 'pipeline', name: 'a', pipeline: null });
    script.say({ type: 'pipeline', name: 'c', pipeline: versionOf('c', 2) });
    await vi.waitFor(() => expect(active(decider)).toEqual([versionOf('b', 3), versionOf('c', 2)]));
    expect(changed).toHaveBeenCalledTimes(2);
    await decider.close();
    script.isAway = true;
    expect(active(await start())).toEqual([versionOf('b', 3), versionOf('c', 2)]);
  });

  it('are read anew where an earlier version of the edge wrote the state, or the server becomes a later one', async () => {
    script.pipelines = undefined;
    const earlier = await start();
    expect(active(earlier)).toBeUndefined();
    script.pipelines = [versionOf('a', 1)];
    const before = snapshots();
    script.cut();
    await vi.waitFor(() => expect(active(earlier)).toEqual([versionOf('a', 1)]), 5000);
    expect(snapshots()).toBe(before + 1);
    await earlier.close();
    // Nothing is read anew where it is known.
    const again = await start();
    expect(active(again)).toEqual([versionOf('a', 1)]);
    expect(snapshots()).toBe(before + 1);
  });

  it('are unknown, and not none, from a state of before, until the server says them', async () => {
    script.pipelines = undefined;
    await (await start()).close();
    script.isAway = true;
    const dark = await start();
    expect(active(dark)).toBeUndefined();
    script.pipelines = [];
    script.isAway = false;
    await vi.waitFor(() => expect(active(dark)).toEqual([]), 8000);
  });
});
