import { describe, expect, it } from 'vitest';
import type { LogEntry } from '../../../src/log/entries.js';
import { createLogReader, type LogPage } from '../../../src/log/reader.js';

const entry = (position: number): LogEntry => ({
  position,
  at: new Date(0),
  account: 'acme',
  type: 'token-family',
  payload: { family: String(position), thingName: 'pump' },
});

/** A log in memory, read in pages of three, and a state that is what was read of it. */
async function follow() {
  const log = { epoch: 'one', timeline: 1, first: 1, entries: [1, 2].map(entry) };
  const head = (): number => log.entries.at(-1)?.position ?? log.first - 1;
  const counts = { reads: 0, loads: 0 };
  let state: number[] = [];
  let gate: Promise<void> | undefined;
  let failure: Error | undefined;
  const reader = await createLogReader({
    async read(after): Promise<LogPage> {
      counts.reads++;
      const page = {
        epoch: log.epoch,
        lineage: { history: 'h', timeline: log.timeline },
        head: head(),
        entries: log.entries.filter(({ position }) => position > after).slice(0, 3),
      };
      await gate;
      if (failure) throw failure;
      return page;
    },
    async load() {
      counts.loads++;
      const [loaded, epoch, position] = [log.entries.map((each) => each.position), log.epoch, head()];
      await gate;
      return {
        epoch,
        lineage: { history: 'h', timeline: log.timeline },
        position,
        install: () => void (state = loaded),
      };
    },
    apply: (each) => void state.push(each.position),
  });
  return {
    log,
    reader,
    counts,
    state: () => state,
    append: (count: number) => {
      for (let n = 0; n < count; n++) log.entries.push(entry(head() + 1));
    },
    fail: (error: Error | undefined) => void (failure = error),
    /** Holds what is being read until the end that it returns is called. */
    hold(): () => void {
      let open!: () => void;
      gate = new Promise((resolve) => (open = resolve));
      return () => {
        gate = undefined;
        open();
      };
    },
  };
}

describe('the reader of the log', () => {
  it('begins with the state that was loaded, and applies what follows in order, page by page', async () => {
    const { reader, counts, state, append } = await follow();
    expect([state(), reader.position(), reader.cursor()]).toEqual([[1, 2], 2, 'one:2']);
    append(7);
    await reader.catchUp();
    expect([state(), reader.position(), reader.cursor()]).toEqual([[1, 2, 3, 4, 5, 6, 7, 8, 9], 9, 'one:9']);
    expect(counts).toEqual({ reads: 3, loads: 1 });
  });

  it('answers all who wait with one more reading, which began after they asked', async () => {
    const { reader, counts, state, append, hold } = await follow();
    const open = hold();
    const early = reader.catchUp();
    append(1);
    const late = Promise.all([reader.catchUp(), reader.catchUp(), reader.catchUp()]);
    expect(counts.reads).toBe(1);
    open();
    await early;
    expect(state()).toEqual([1, 2]);
    await late;
    expect([state(), counts.reads]).toEqual([[1, 2, 3], 2]);
  });

  it('tells those who wait when a reading fails, and reads again for those who waited for the next', async () => {
    const { reader, state, append, fail, hold } = await follow();
    append(1);
    fail(new Error('away'));
    const open = hold();
    const failing = reader.catchUp();
    const next = reader.catchUp();
    failing.catch(() => fail(undefined));
    open();
    await expect(failing).rejects.toThrow('away');
    await next;
    expect(state()).toEqual([1, 2, 3]);
  });

  it.each([
    ['another epoch began', (log: { epoch: string }) => void (log.epoch = 'two')],
    ['entries are gone that were not read', (log: { entries: LogEntry[] }) => void (log.entries = [entry(9)])],
    ['the log ends before what was applied', (log: { entries: LogEntry[] }) => void (log.entries = [entry(1)])],
  ])('loads everything anew when %s, and changes state and place at once', async (_, change) => {
    const { log, reader, counts, state, hold } = await follow();
    change(log);
    const open = hold();
    const reading = reader.catchUp();
    await Promise.resolve();
    expect([state(), reader.cursor()]).toEqual([[1, 2], 'one:2']);
    open();
    await reading;
    const last = log.entries.at(-1)!.position;
    expect([state(), reader.position()]).toEqual([log.entries.map(({ position }) => position), last]);
    expect([reader.epoch(), reader.cursor(), counts.loads]).toEqual([log.epoch, `${log.epoch}:${last}`, 2]);
  });

  it('reads nothing of a database that its standby has replaced, and goes on once the standby answers', async () => {
    const { log, reader, counts, state, append } = await follow();
    Object.assign(log, { epoch: 'two', timeline: 2 });
    append(1);
    await reader.catchUp();
    expect([state(), reader.cursor(), counts.loads]).toEqual([[1, 2, 3], 'two:3', 2]);
    const { entries } = log;
    Object.assign(log, { epoch: 'one', timeline: 1, entries: entries.slice(0, 2) });
    await expect(reader.catchUp()).rejects.toThrow('its standby has replaced');
    expect([state(), reader.cursor(), counts.loads]).toEqual([[1, 2, 3], 'two:3', 2]);
    Object.assign(log, { epoch: 'two', timeline: 2, entries });
    append(1);
    await reader.catchUp();
    expect([state(), reader.cursor(), counts.loads]).toEqual([[1, 2, 3, 4], 'two:4', 2]);
  });
});
