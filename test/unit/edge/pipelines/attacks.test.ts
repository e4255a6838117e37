import { describe, expect, it, vi } from 'vitest';
import { copyRoom, means, byThree, telemetry, useRooms } from '../../../support/gateway/pipeline-rooms.js';

const roomOf = useRooms();

describe('pipelines of an edge, attacked,', () => {
  it('never publish for one account what devices of another one were told is kept', async () => {
    const room = roomOf();
    await room.activate('three', 1, byThree);
    await room.open();
    for (const t of [1, 2]) await room.send('pump', { t });
    await room.close();
    await expect(room.open({ account: 'beta' })).rejects.toThrow('of the account acme: give another stateDir');
    await room.open();
    await room.send('pump', { t: 3 });
    await vi.waitFor(() => expect(means(room.said())).toEqual([2]));
  });

  it('go on after a clock that was years ahead, also after a restart', async () => {
    const room = roomOf();
    const tumbling = { ...telemetry, steps: [{ window: { tumbling: 10 }, emit: ['count'] }] };
    await room.activate('tumbling', 1, tumbling);
    await room.open();
    room.pass(20 * 365 * 86_400_000);
    await room.send('pump', { t: 1 });
    await room.close();
    room.pass(-20 * 365 * 86_400_000);
    await room.open();
    const counts = () => room.said().flatMap(({ records = [] }) => records.map(({ values }) => values['t.count']));
    await room.send('pump', { t: 2 });
    // What was begun by the wrong clock leaves, and nothing waits for it.
    await vi.waitFor(() => expect(counts()).toEqual([1]));
    room.pass(15_000);
    await room.send('pump', { t: 3 });
    await vi.waitFor(() => expect(counts()).toEqual([1, 1]));
    expect(room.said()[1]!.records![0]!.time).toBeLessThan(room.now() + 60_000);
    // The same journal makes the same again.
    const other = roomOf();
    await other.activate('tumbling', 1, tumbling);
    copyRoom(room.stateDir, other.stateDir);
    await other.open();
    room.pass(15_000);
    await room.send('pump', { t: 4 });
    await vi.waitFor(() => expect(counts()).toEqual([1, 1, 1]));
  });

  it('try nothing again once they are closed', async () => {
    const room = roomOf();
    await room.activate('each', 1, { ...telemetry, steps: [{ threshold: 't', max: 9, severity: 'info' }] });
    await room.open();
    let tries = 0;
    room.whenPut(async () => {
      tries++;
      throw new Error('the disk is full');
    });
    await room.send('pump', { t: 1 });
    await vi.waitFor(() => expect(tries).toBeGreaterThan(0));
    await room.close();
    const before = tries;
    await new Promise((resolve) => setTimeout(resolve, 2500));
    expect(tries).toBe(before);
    // It is in the journal still.
    room.whenPut(async () => {});
    await room.open();
    await vi.waitFor(() => expect(room.sent).toHaveLength(1));
  });

  it('let others have their turn while one message has a thousand records for steps that take long', async () => {
    const room = roomOf();
    const outliers = Array.from({ length: 31 }, () => ({ outliers: 'hampel', window: 301 }));
    await room.activate('heavy', 1, { ...telemetry, decode: 'senml-json', steps: outliers, maxThings: 10 });
    await room.open();
    const pack = Array.from({ length: 1000 }, (_, n) => ({ n: 't', v: (n * 7919) % 1000, t: 1_000_000_000 + n }));
    let turns = 0;
    let over = false;
    const count = (): void => {
      turns++;
      if (!over) setImmediate(count);
    };
    await room.send('pump', JSON.stringify(pack));
    count();
    // Each of these waits behind the message before it.
    await vi.waitFor(() => expect(room.sent).toHaveLength(1000), { timeout: 120_000 });
    over = true;
    expect(turns).toBeGreaterThan(50);
  });
});
