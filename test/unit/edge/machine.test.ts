import { describe, expect, it } from 'vitest';
import { readCgroup } from '../../../src/edge/site/cgroup.js';
import { createMachine, sourcesOf, type MachineSources } from '../../../src/edge/site/machine.js';

const kernel = (files: Record<string, string>) => (path: string) => files[path];
const limited = {
  '/proc/self/cgroup': '0::/system.slice/edge.service\n',
  '/sys/fs/cgroup/system.slice/edge.service/cpu.max': '150000 100000\n',
  '/sys/fs/cgroup/system.slice/edge.service/cpu.stat': 'usage_usec 2000000\nuser_usec 1\n',
  '/sys/fs/cgroup/system.slice/edge.service/memory.max': '1000000\n',
  '/sys/fs/cgroup/system.slice/edge.service/memory.current': '700000\n',
  '/sys/fs/cgroup/system.slice/edge.service/memory.stat': 'anon 300000\ninactive_file 200000\n',
};

describe('the control group of an edge', () => {
  it('is read where it limits something, without pages that can be dropped', () => {
    expect(readCgroup(kernel(limited))).toEqual({
      cores: 1.5,
      memory: 1_000_000,
      cpuMicroseconds: 2_000_000,
      workingSet: 500_000,
    });
  });

  it('is the root of what is shown inside of a container', () => {
    const inside = {
      '/proc/self/cgroup': '0::/kubepods/pod1/abc\n',
      '/sys/fs/cgroup/cpu.max': 'max 100000\n',
      '/sys/fs/cgroup/memory.max': '4096\n',
    };
    expect(readCgroup(kernel(inside))).toEqual({ cores: undefined, memory: 4096, cpuMicroseconds: 0, workingSet: 0 });
  });

  it.each([
    ['there is none', {}],
    ['it is of version 1', { '/proc/self/cgroup': '4:memory:/a\n1:cpu:/a\n' }],
    [
      'it limits nothing',
      {
        '/proc/self/cgroup': '0::/a\n',
        '/sys/fs/cgroup/a/cpu.max': 'max 100000\n',
        '/sys/fs/cgroup/a/memory.max': 'max\n',
      },
    ],
    [
      'its files say something else',
      { '/proc/self/cgroup': '0::/a\n', '/sys/fs/cgroup/a/cpu.max': '1 0\n', '/sys/fs/cgroup/a/memory.max': '-1\n' },
    ],
  ])('is none where %s', (_what, files: Record<string, string>) => {
    expect(readCgroup(kernel(files))).toBeUndefined();
  });
});

describe('the machine of an edge', () => {
  const open = (given: Partial<MachineSources>) => {
    const now = { busy: 0, whole: 0, monotonic: 0 };
    const machine = createMachine({
      cgroup: () => undefined,
      cpuTime: () => ({ busy: now.busy, whole: now.whole }),
      parallelism: () => 4,
      memory: () => ({ total: 8000, free: 2000 }),
      disk: async () => ({ total: 100, free: 40 }),
      monotonic: () => now.monotonic,
      ...given,
    });
    return { machine, now };
  };

  it('is the whole where nothing limits it; its processors by what was busy since the last time', async () => {
    const { machine, now } = open({});
    expect((await machine()).load.cpu).toBe(0);
    Object.assign(now, { busy: 250, whole: 1000 });
    expect(await machine()).toEqual({
      capacity: { cores: 4, memory: 8000, disk: 100 },
      load: { cpu: 0.25, memory: 6000, disk: 60 },
    });
    // A clock of processors that stands still, or was put back.
    expect((await machine()).load.cpu).toBe(0);
    Object.assign(now, { busy: 0, whole: 10 });
    expect((await machine()).load.cpu).toBe(0);
  });

  it('is its control group where that limits it', async () => {
    const group = { cores: 0.5, memory: 1000, cpuMicroseconds: 0, workingSet: 400 };
    const { machine, now } = open({ cgroup: () => group });
    await machine();
    now.monotonic = 10_000;
    group.cpuMicroseconds = 4_000_000;
    expect(await machine()).toEqual({
      capacity: { cores: 0.5, memory: 1000, disk: 100 },
      load: { cpu: 0.8, memory: 400, disk: 60 },
    });
  });

  it('of this test can be read', async () => {
    const { capacity, load } = await createMachine(sourcesOf('.'))();
    for (const what of ['memory', 'disk'] as const) {
      expect(load[what]).toBeGreaterThan(0);
      expect(capacity[what]).toBeGreaterThan(load[what]);
    }
    expect(capacity.cores).toBeGreaterThan(0);
  });
});

it('of an edge whose settings give it a share is that share, and what this process uses', async () => {
  const machine = createMachine(sourcesOf('.', { cores: 0.5, memory: 2 ** 30 }));
  await machine();
  const until = performance.now() + 100;
  while (performance.now() < until);
  const { capacity, load } = await machine();
  expect([capacity.cores, capacity.memory]).toEqual([0.5, 2 ** 30]);
  expect(load.cpu).toBeGreaterThan(0.1);
  expect(load.memory).toBeGreaterThan(20_000_000);
  expect(load.memory).toBeLessThan(2 * process.memoryUsage.rss());
});
