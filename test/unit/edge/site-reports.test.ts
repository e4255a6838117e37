import { expect, it } from 'vitest';
import { createSiteReports } from '../../../src/edge/site/site-reports.js';
import { report as shape, type SiteReport } from '../../../src/sites/schema.js';

const state = { capacity: { cores: 2, memory: 100, disk: 100 }, load: { cpu: 0.5, memory: 10, disk: 10 } };

/** Reports to a list. Every report must have the shape that the route takes. */
function open(bandwidth?: number, hasPipelines = true) {
  const waits: number[] = [];
  const sent: SiteReport[] = [];
  const now = { octets: 0, messages: 0, at: 0 };
  const taken = { name: 'sensor', version: 2, messages: 0, busyMs: 0, things: 4 };
  const published: Record<string, number> = {};
  let due: (() => void) | undefined;
  let isBroken = false;
  const reports = createSiteReports({
    send: async (report) => void sent.push(shape.parse(report)),
    machine: async () => {
      if (isBroken) throw new Error('statfs');
      return state;
    },
    traffic: async () => ({ octets: now.octets, messages: now.messages }),
    sessions: () => 3,
    pipelines: hasPipelines
      ? { taken: () => [{ ...taken }], types: () => new Map(Object.entries(published)) }
      : undefined,
    bandwidth,
    timers: { set: (run, ms) => void ((due = run), waits.push(ms)), clear: () => (due = undefined) },
    monotonic: () => now.at,
  });
  const settle = async () => {
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  return {
    reports,
    sent,
    waits,
    now,
    taken,
    published,
    break: (whether: boolean) => void (isBroken = whether),
    isDue: () => due !== undefined,
    settle,
    async run() {
      due?.();
      await settle();
      return sent.at(-1)!;
    },
  };
}

it('a report has what passed a second since the one before', async () => {
  const { now, run, settle, waits } = open();
  await settle();
  Object.assign(now, { octets: 1000, messages: 5, at: 1000 });
  expect(await run()).toEqual({
    capacity: { ...state.capacity, pipelines: true },
    load: {
      ...state.load,
      bandwidth: 8000,
      messages: 5,
      sessions: 3,
      pipelines: [{ name: 'sensor', version: 2, messages: 0, cpu: 0, things: 4 }],
      types: [],
    },
  });
  Object.assign(now, { octets: 3000, messages: 105, at: 11_000 });
  expect((await run()).load).toMatchObject({ bandwidth: 1600, messages: 10 });
  expect(waits).toEqual([1000, 10_000, 10_000]);
});

it('a machine that cannot be read is tried again, and a closed edge says nothing more', async () => {
  const { break: breakIt, reports, run, sent, isDue } = open(64_000);
  breakIt(true);
  await run();
  expect([sent.length, isDue()]).toEqual([0, true]);
  breakIt(false);
  expect((await run()).capacity).toEqual({ ...state.capacity, bandwidth: 64_000, pipelines: true });
  reports.close();
  expect(isDue()).toBe(false);
});

it('a report has what each pipeline took a second, and each type published; another version begins from nothing', async () => {
  const { now, taken, published, run } = open();
  now.at = 1000;
  await run();
  Object.assign(taken, { messages: 500, busyMs: 250 });
  Object.assign(published, { pump: 100, valve: 600, '': 50 });
  now.at = 11_000;
  expect((await run()).load).toMatchObject({
    messages: 75,
    pipelines: [{ version: 2, messages: 50, cpu: 0.025, things: 4 }],
    types: [
      { type: 'valve', messages: 60 },
      { type: 'pump', messages: 10 },
    ],
  });
  Object.assign(taken, { version: 3, messages: 20, busyMs: 10 });
  for (let n = 0; n < 300; n++) published[`type-${n}`] = 1000;
  now.at = 21_000;
  const { load } = await run();
  expect(load.pipelines).toMatchObject([{ version: 3, messages: 2, cpu: 0.001 }]);
  expect(load.types).toHaveLength(100);
});

it('an edge that cannot run pipelines says so', async () => {
  const { capacity, load } = await open(undefined, false).run();
  expect([capacity.pipelines, load.pipelines, load.types]).toEqual([false, [], undefined]);
});
