import { mkdirSync, mkdtempSync, rmSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { allow } from '../../../support/edge/gate.js';
import { copyRoom, means, byThree, telemetry, useRooms } from '../../../support/gateway/pipeline-rooms.js';
import type { Said } from '../../../support/gateway/pipeline-room.js';

const roomOf = useRooms();

describe('pipelines of an edge', () => {
  it('publish windows on a topic of the thing, with ids, and nothing of what no pipeline matches', async () => {
    const room = roomOf();
    await room.activate('three', 7, byThree);
    await room.open();
    for (const t of [1, 2, 6, 7]) await room.send('pump', { t });
    await vi.waitFor(() => expect(room.sent).toHaveLength(1));
    const [said] = room.said();
    expect(said).toMatchObject({ pipeline: 'three', version: 7, occasion: 'each' });
    expect(said!.records![0]!.values).toEqual({ 't.count': 3, 't.mean': 3 });
    expect(room.sent[0]).toMatchObject({
      id: said!.id,
      topic: 'acme/pump/telemetry/pipelines/three',
      thing: 'pump',
      priority: 'normal',
    });
    expect(room.takerOf('pump', 'acme/pump/status')).toBeUndefined();
    expect(await room.figure('thingward_edge_pipeline_messages_total')).toBe(4);
  });

  it('continue in the middle of a window after an orderly end, and after one without any word', async () => {
    const room = roomOf();
    await room.activate('three', 1, byThree);
    await room.open();
    await room.send('pump', { t: 1 });
    await room.close();
    await room.open();
    await room.send('pump', { t: 2 });
    // As a crash leaves it: the folder as it is now, in another place.
    const other = roomOf();
    copyRoom(room.stateDir, other.stateDir);
    await other.activate('three', 1, byThree);
    await other.open();
    await other.send('pump', { t: 6 });
    await vi.waitFor(() => expect(means(other.said())).toEqual([3]));
    await room.send('pump', { t: 6 });
    await vi.waitFor(() => expect(room.said()).toMatchObject([{ records: other.said()[0]!.records }]));
  });

  it('publish no second time what sinks have, and again what they may not have, by the same id', async () => {
    const room = roomOf();
    await room.activate('three', 1, byThree);
    await room.open();
    for (const t of [1, 2, 3]) await room.send('pump', { t });
    await vi.waitFor(() => expect(room.sent).toHaveLength(1));
    const folder = mkdtempSync(join(tmpdir(), 'copy-'));
    await new Promise((resolve) => setTimeout(resolve, 600));
    copyRoom(room.stateDir, folder);
    const again = async (done: boolean): Promise<Said[]> => {
      const other = roomOf();
      copyRoom(folder, other.stateDir);
      if (!done) rmSync(join(other.stateDir, 'pipelines', 'done'));
      await other.activate('three', 1, byThree);
      await other.open();
      return other.said();
    };
    expect(await again(true)).toEqual([]);
    expect(await again(false)).toEqual(room.said());
    rmSync(folder, { recursive: true });
  });

  it('flush what waits when another version is active, which begins with nothing', async () => {
    const room = roomOf();
    const batched = { ...telemetry, steps: [{ batch: { size: 10, seconds: 3600 } }] };
    await room.activate('p', 1, batched);
    await room.open();
    await room.send('pump', { t: 1 });
    await room.activate('p', 2, byThree);
    await vi.waitFor(() =>
      expect(room.said()).toMatchObject([{ version: 1, occasion: 'seconds', records: [{ values: { t: 1 } }] }]),
    );
    for (const t of [2, 3, 4]) await room.send('pump', { t });
    await vi.waitFor(() => expect(room.said()).toHaveLength(2));
    expect(room.said()[1]).toMatchObject({ version: 2, records: [{ values: { 't.count': 3 } }] });
    await room.deactivate('p');
    expect(room.takerOf('pump')).toBeUndefined();
  });

  it('let time end windows and batches, and write nothing while nothing is heard', async () => {
    const room = roomOf();
    await room.activate('p', 1, { ...telemetry, steps: [{ batch: { size: 10, seconds: 5 } }] });
    await room.open();
    await room.send('pump', { t: 1 });
    room.pass(6000);
    await vi.waitFor(() => expect(room.said()).toMatchObject([{ occasion: 'seconds' }]), { timeout: 4000 });
    room.pass(3_600_000);
    const before = await room.figure('thingward_edge_pipeline_journal_octets');
    await new Promise((resolve) => setTimeout(resolve, 2200));
    expect(await room.figure('thingward_edge_pipeline_journal_octets')).toBe(before);
  });

  it('send what does not decode to a topic of its own, with the reason, and count it', async () => {
    const room = roomOf();
    await room.activate('three', 1, byThree);
    await room.open();
    await room.send('pump', '{"t":');
    await room.send('pump', { u: 1 });
    await vi.waitFor(() => expect(room.sent).toHaveLength(2));
    expect(room.sent.map(({ topic, priority }) => [topic, priority])).toEqual([
      ['acme/pump/telemetry/dead-letters/three', 'low'],
      ['acme/pump/telemetry/dead-letters/three', 'low'],
    ]);
    expect(room.said()[0]).toMatchObject({
      why: 'not-decodable',
      topic: 'acme/pump/telemetry',
      payloadBase64: Buffer.from('{"t":').toString('base64'),
    });
    expect(room.said()[1]).toMatchObject({ why: 'no-values' });
    expect(await room.figure('thingward_edge_pipeline_dead_letters_total')).toBe(2);
  });

  it('publish nothing that the thing may not publish, and say so', async () => {
    const room = roomOf([allow(['publish'], ['topic:acme/+/telemetry'])]);
    await room.activate('three', 1, byThree);
    await room.open();
    for (const t of [1, 2, 3]) await room.send('pump', { t });
    await vi.waitFor(() =>
      expect(room.denied).toEqual([
        { why: 'no-matching-statement', resource: 'topic:acme/pump/telemetry/pipelines/three' },
      ]),
    );
    expect(room.sent).toEqual([]);
    expect(await room.figure('thingward_edge_pipeline_denied_total')).toBe(1);
    // A thing that is revoked meanwhile says nothing more either.
    room.grant([allow(['publish'], ['topic:acme/#'])]);
    for (const t of [1, 2]) await room.send('pump', { t });
    const last = room.takerOf('pump')!;
    room.revoke('pump');
    await last.take(Buffer.from('{"t":3}'));
    await vi.waitFor(() => expect(room.denied).toHaveLength(2));
    expect(room.denied[1]).toMatchObject({ why: 'thing-revoked' });
  });

  it('say once that a sink is not there, and count what it does not get', async () => {
    const room = roomOf();
    await room.activate('three', 1, { ...byThree, to: ['elsewhere', 'upstream'] });
    await room.open();
    for (const t of [1, 2, 3, 4, 5, 6]) await room.send('pump', { t });
    await vi.waitFor(() => expect(room.sent).toHaveLength(2));
    expect(room.lines.filter(({ text }) => text.includes('not in the settings'))).toHaveLength(1);
    expect(await room.figure('thingward_edge_pipeline_unsent_total')).toBe(2);
  });

  it('acknowledge nothing while sinks take nothing, and continue once they do', async () => {
    const room = roomOf();
    await room.activate('three', 1, byThree);
    await room.open({ maxBytes: 1024 * 1024 });
    let free = (): void => {};
    const held = new Promise<void>((resolve) => (free = resolve));
    room.whenPut(() => held);
    const payload = { t: 1, note: 'x'.repeat(60_000) };
    let kept = 0;
    const fill = async (): Promise<void> => {
      for (; kept < 100; kept++) await room.send('pump', payload);
    };
    await expect(fill()).rejects.toThrow('nothing more is kept');
    expect(kept).toBeGreaterThan(2);
    expect(await room.figure('thingward_edge_pipeline_refused_total')).toBe(1);
    free();
    await room.send('pump', { t: 1 });
    await vi.waitFor(() => expect(means(room.said()).length).toBe(Math.floor((kept + 1) / 3)));
  }, 20_000);

  it('acknowledge nothing when the journal is full, and everything that was acknowledged is there later', async () => {
    const room = roomOf();
    await room.activate('three', 1, byThree);
    await room.open({ maxBytes: 1024 * 1024 });
    // Where the state cannot be written, the journal cannot get shorter.
    mkdirSync(join(room.stateDir, 'pipelines', 'state.next'));
    const payload = { t: 1, note: 'x'.repeat(60_000) };
    let kept = 0;
    const fill = async (): Promise<void> => {
      for (; kept < 100; kept++) await room.send('pump', payload);
    };
    await expect(fill()).rejects.toThrow('is full');
    expect(kept).toBeLessThan(20);
    rmSync(join(room.stateDir, 'pipelines', 'state.next'), { recursive: true });
    await vi.waitFor(() => room.send('pump', { t: 1 }), { timeout: 15_000, interval: 300 });
    kept++;
    await vi.waitFor(() => expect(means(room.said()).length).toBe(Math.floor(kept / 3)));
  }, 20_000);

  it('keep the journal short: what is no longer needed goes', async () => {
    const room = roomOf();
    await room.activate('three', 1, byThree);
    await room.open({ maxBytes: 1024 * 1024 });
    const payload = { t: 1, note: 'x'.repeat(10_000) };
    for (let count = 0; count < 600; count++) await room.send('pump', payload);
    await vi.waitFor(() => expect(room.sent).toHaveLength(200));
    expect(await room.figure('thingward_edge_pipeline_journal_octets')).toBeLessThan(1024 * 1024);
  });

  it('begin with the journal when their state is damaged, and say so', async () => {
    const room = roomOf();
    await room.activate('three', 1, byThree);
    await room.open();
    await room.send('pump', { t: 1 });
    await room.close();
    // One message after the state was written, and then a crash.
    await room.open();
    await room.send('pump', { t: 2 });
    const other = roomOf();
    copyRoom(room.stateDir, other.stateDir);
    const file = join(other.stateDir, 'pipelines', 'state');
    const bytes = readFileSync(file);
    bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(file, bytes);
    await other.activate('three', 1, byThree);
    await other.open();
    expect(other.lines.map(({ text }) => text)).toContainEqual(expect.stringContaining('cannot be read'));
    for (const t of [3, 4]) await other.send('pump', { t });
    await vi.waitFor(() => expect(means(other.said())).toEqual([3]));
  });

  it('tell of a document that this version cannot run, and leave its messages to the broker', async () => {
    const room = roomOf();
    await room.activate('later', 1, { ...telemetry, steps: [{ teleport: 1 }] });
    await room.open();
    expect(room.takerOf('pump')).toBeUndefined();
    expect(room.lines).toContainEqual({
      fields: { pipeline: 'later', version: 1 },
      text: expect.stringContaining('later version'),
    });
  });
});
