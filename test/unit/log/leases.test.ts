import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Stopwatch } from '../../../src/clock.js';
import { leaseMs, type InstanceTable } from '../../../src/log/instance-table.js';
import { joinInstances, soleInstance } from '../../../src/log/leases.js';

/** The table of instances, by a clock that the tests move. */
function createTable() {
  const state = { epoch: 'one', settled: true };
  const rows = new Map<string, { applied: number; until: number }>();
  const table: InstanceTable = {
    grant: async (id, applied) => void rows.set(id, { applied, until: Date.now() + leaseMs }),
    hindrance: async (id, { epoch, position }) => {
      if (epoch !== state.epoch) return 'other-epoch';
      if (!state.settled) return 'new-timeline';
      const lags = [...rows].some(
        ([other, { applied, until }]) => other !== id && until > Date.now() && applied < position,
      );
      return lags ? 'lagging' : undefined;
    },
    forget: async (id) => void rows.delete(id),
    settleTimeline: async (epoch) => void (state.settled ||= epoch === state.epoch),
  };
  return { rows, table, state };
}

const stopwatch = (): Stopwatch => {
  const start = Date.now();
  return () => Date.now() - start;
};

/** An instance that reads a log of which only the head matters; it can be held up. */
async function join(table: InstanceTable, log: { head: number; epoch?: string }) {
  const lines: string[] = [];
  const tellLine = (_fields: object, message: string): void => void lines.push(message);
  let [position, epoch, isStuck, isCut] = [log.head, log.epoch ?? 'one', false, false];
  const catchUp = async (): Promise<void> => {
    if (isCut) throw new Error('no database');
    if (!isStuck) [position, epoch] = [log.head, log.epoch ?? 'one'];
  };
  const leases = await joinInstances({
    table,
    stopwatch,
    reader: { catchUp, position: () => position, epoch: () => epoch },
    tell: { info: tellLine, warn: tellLine, error: tellLine },
  });
  return {
    leases,
    lines,
    position: () => position,
    stick: (stuck: boolean) => void (isStuck = stuck),
    cut: (cut: boolean) => void (isCut = cut),
  };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('leases', () => {
  it('are renewed while the database is there, run out without it, and come back with it', async () => {
    const { table } = createTable();
    const one = await join(table, { head: 3 });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(one.leases.held()).toBe(true);
    one.cut(true);
    await vi.advanceTimersByTimeAsync(leaseMs);
    expect([one.leases.held(), one.lines]).toEqual([false, [expect.stringContaining('the lease was not renewed')]]);
    one.cut(false);
    await vi.advanceTimersByTimeAsync(500);
    expect([one.leases.held(), one.lines[1]]).toEqual([true, 'the lease is renewed again, after failing 4 times']);
    await one.leases.stop();
  });

  it('end here before they end in the database', async () => {
    const { table, rows } = createTable();
    const one = await join(table, { head: 0 });
    one.cut(true);
    await vi.advanceTimersByTimeAsync(leaseMs - 50);
    expect(one.leases.held()).toBe(false);
    expect([...rows.values()].every(({ until }) => until > Date.now())).toBe(true);
    one.cut(false);
    await one.leases.stop();
  });

  it('count only once the log was read after the grant', async () => {
    const { table } = createTable();
    const log = { head: 0 };
    const seen: number[] = [];
    // Something is committed while the lease is granted: the first grant does not count.
    const grant: InstanceTable['grant'] = async (id, applied) => {
      seen.push(applied);
      await table.grant(id, applied);
      if (seen.length === 1) log.head = 1;
    };
    const one = await join({ ...table, grant }, log);
    expect([seen, one.position(), one.leases.held()]).toEqual([[0, 1], 1, true]);
    await one.leases.stop();
  });

  it('make a writer wait for an instance that has not read what was committed, and for no other', async () => {
    const { table } = createTable();
    const log = { head: 0 };
    const [writer, reader] = [await join(table, log), await join(table, log)];
    reader.stick(true);
    log.head = 1;
    let isSettled = false;
    const settling = writer.leases.settle(undefined).then(() => (isSettled = true));
    await vi.advanceTimersByTimeAsync(leaseMs * 3);
    // It renews its lease without reading on: nothing may be acknowledged.
    expect([isSettled, reader.leases.held(), reader.position()]).toEqual([false, true, 0]);
    reader.stick(false);
    reader.leases.hint();
    await vi.advanceTimersByTimeAsync(100);
    await settling;
    expect(reader.position()).toBe(1);
    await Promise.all([writer.leases.stop(), reader.leases.stop()]);
  });

  it('are not waited for once they have run out or were given back', async () => {
    const { table } = createTable();
    const log = { head: 0 };
    const [writer, lost, gone] = [await join(table, log), await join(table, log), await join(table, log)];
    lost.cut(true);
    await gone.leases.stop();
    expect(gone.leases.held()).toBe(false);
    log.head = 1;
    const settling = writer.leases.settle(undefined);
    await vi.advanceTimersByTimeAsync(leaseMs + 100);
    await settling;
    // INVARIANT of the barrier: whoever has not read it answers nothing by now.
    expect([lost.position(), lost.leases.held()]).toEqual([0, false]);
    lost.cut(false);
    await Promise.all([writer.leases.stop(), lost.leases.stop()]);
  });

  it('503 not-ready when an instance keeps its lease and never reads', async () => {
    const { table } = createTable();
    const log = { head: 0 };
    const [writer, stuck] = [await join(table, log), await join(table, log)];
    stuck.stick(true);
    log.head = 1;
    const settling = expect(writer.leases.settle(undefined)).rejects.toMatchObject({
      code: 'not-ready',
      extras: { retryAfter: 1 },
    });
    await vi.advanceTimersByTimeAsync(11_000);
    await settling;
    await Promise.all([writer.leases.stop(), stuck.leases.stop()]);
  });
});

describe('after a standby was promoted', () => {
  const isDone = (work: Promise<unknown>) => {
    const state = { done: false };
    void work.then(() => (state.done = true));
    return state;
  };

  it('nothing is acknowledged for a whole lease, by the stopwatch, and then at once, whoever waited', async () => {
    const { table, state } = createTable();
    const log = { head: 0, epoch: 'one' };
    const [one, other] = [await join(table, log), await join(table, log)];
    await one.leases.settle({ epoch: 'one', position: 0 });
    Object.assign(log, { head: 1, epoch: 'two' });
    Object.assign(state, { epoch: 'two', settled: false });
    const waits = isDone(one.leases.settle({ epoch: 'two', position: 1 }));
    await vi.advanceTimersByTimeAsync(leaseMs - 100);
    expect([waits.done, state.settled]).toEqual([false, false]);
    await vi.advanceTimersByTimeAsync(300);
    expect([waits.done, state.settled]).toEqual([true, true]);
    const passes = isDone(other.leases.settle({ epoch: 'two', position: 1 }));
    await vi.advanceTimersByTimeAsync(0);
    expect(passes.done).toBe(true);
    await Promise.all([one.leases.stop(), other.leases.stop()]);
  });

  it('another promotion meanwhile may have lost the change: it is not acknowledged, and the wait begins again', async () => {
    const { table, state } = createTable();
    const log = { head: 1, epoch: 'one' };
    const one = await join(table, log);
    state.settled = false;
    const lost = expect(one.leases.settle({ epoch: 'one', position: 1 })).rejects.toMatchObject({ code: 'not-ready' });
    await vi.advanceTimersByTimeAsync(leaseMs - 100);
    log.epoch = state.epoch = 'two';
    await vi.advanceTimersByTimeAsync(50);
    await lost;
    const waits = isDone(one.leases.settle({ epoch: 'two', position: 1 }));
    await vi.advanceTimersByTimeAsync(leaseMs - 100);
    expect([waits.done, state.settled]).toEqual([false, false]);
    await vi.advanceTimersByTimeAsync(300);
    expect([waits.done, state.settled]).toEqual([true, true]);
    await one.leases.stop();
  });

  it('what is not in what is read is not acknowledged', async () => {
    const { table, state } = createTable();
    state.epoch = 'two';
    const log = { head: 4, epoch: 'two' };
    const one = await join(table, log);
    for (const committed of [
      { epoch: 'one', position: 4 },
      { epoch: 'two', position: 5 },
    ])
      await expect(one.leases.settle(committed)).rejects.toMatchObject({ code: 'not-ready' });
    await one.leases.stop();
  });
});

it('the sole instance has read what it has read', async () => {
  let reads = 0;
  const leases = soleInstance({ catchUp: async () => void reads++ });
  await leases.settle(undefined);
  expect([leases.held(), reads]).toEqual([true, 1]);
});
