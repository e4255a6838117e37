import { Registry } from 'prom-client';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createChores, type Chore } from '../../src/chores.js';

type Line = { level: string; fields: object; message: string };

const tellInto = (lines: Line[]) => {
  const into = (level: string) => (fields: object, message: string) => void lines.push({ level, fields, message });
  return { info: into('info'), warn: into('warn'), error: into('error') };
};

const chore = (name: string, run: Chore['run'], everyMs = 1000): Chore => ({ name, everyMs, instances: 'each', run });

/** Work that goes on until it is told to end. */
function held() {
  let end!: () => void;
  const ended = new Promise<void>((resolve) => (end = resolve));
  return { ended, end };
}

describe('chores', () => {
  afterEach(() => vi.useRealTimers());

  it('are never run twice at once: who asks meanwhile waits for the run in progress', async () => {
    const { ended, end } = held();
    let runs = 0;
    const chores = createChores([chore('slow', () => (runs++, ended))], tellInto([]));
    const both = Promise.all([chores.run('slow'), chores.run('slow')]);
    expect(runs).toBe(1);
    end();
    await both;
    await chores.run('slow');
    expect(runs).toBe(2);
  });

  it('run again about an interval after they ended, no two waits alike, and no more once stopped', async () => {
    vi.useFakeTimers();
    const starts: number[] = [];
    const begun = performance.now();
    const chores = createChores([chore('often', () => void starts.push(performance.now() - begun))], tellInto([]));
    chores.start();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(starts[0]).toBeLessThanOrEqual(1000);
    const waits = starts.slice(1).map((at, n) => at - starts[n]!);
    expect(waits.length).toBeGreaterThan(50);
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(900);
    expect(Math.max(...waits)).toBeLessThanOrEqual(1101);
    expect(new Set(waits).size).toBeGreaterThan(10);
    await chores.stop();
    const before = starts.length;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(starts).toHaveLength(before);
  });

  it('do not overtake a run that takes longer than the interval', async () => {
    vi.useFakeTimers();
    const { ended, end } = held();
    let runs = 0;
    const chores = createChores([chore('slow', () => (runs++, ended), 10)], tellInto([]));
    chores.start();
    await vi.advanceTimersByTimeAsync(1000);
    expect(runs).toBe(1);
    end();
    await vi.advanceTimersByTimeAsync(1000);
    expect(runs).toBeGreaterThan(50);
    await chores.stop();
  });

  it('that run at the start do so before anything else', async () => {
    vi.useFakeTimers();
    let runs = 0;
    const chores = createChores([{ ...chore('first', () => void runs++, 1_000_000), atStart: true }], tellInto([]));
    chores.start();
    await vi.advanceTimersByTimeAsync(1);
    expect(runs).toBe(1);
    await chores.stop();
  });

  it('that fail are in the log once, and once when they work again; every failure is counted', async () => {
    const lines: Line[] = [];
    let isBroken = true;
    const work = async () => {
      if (isBroken) throw new Error('away');
    };
    const chores = createChores([chore('sweep', work), chore('other', () => {})], tellInto(lines));
    const registry = new Registry();
    for (const metric of chores.metrics) registry.registerMetric(metric);
    for (let n = 0; n < 3; n++) await expect(chores.run('sweep')).rejects.toThrow('away');
    await chores.run('other');
    expect(lines).toMatchObject([{ level: 'error', fields: { chore: 'sweep', err: { message: 'away' } } }]);
    isBroken = false;
    await chores.run('sweep');
    await chores.run('sweep');
    expect(lines.slice(1)).toMatchObject([{ level: 'warn', fields: { chore: 'sweep', failures: 3 } }]);
    const text = await registry.metrics();
    expect(text).toContain('thingward_chore_failures_total{chore="sweep"} 3');
    expect(text).toContain('thingward_chore_failures_total{chore="other"} 0');
    expect(text).toContain('thingward_chore_seconds_count{chore="sweep"} 5');
  });

  it('that all fail because the database is away are one line, and one when it is back', async () => {
    const lines: Line[] = [];
    let isAway = true;
    const work = async () => {
      if (isAway) throw Object.assign(new Error('no connection'), { code: 'ECONNREFUSED' });
    };
    const names = ['sweep', 'sign', 'prune'];
    const broken = chore('broken', () => {
      throw new Error('of its own');
    });
    const chores = createChores([...names.map((name) => chore(name, work)), broken], tellInto(lines));
    for (const name of [...names, ...names, 'broken']) await chores.run(name).catch(() => {});
    expect(lines.map(({ fields }) => fields)).toMatchObject([
      { chore: 'sweep', err: { message: 'no connection' } },
      { chore: 'broken' },
    ]);
    isAway = false;
    for (const name of ['prune', 'sweep']) await chores.run(name);
    const back = { chores: ['prune', 'sign', 'sweep'], failures: 6 };
    expect(lines.slice(2)).toMatchObject([{ level: 'warn', fields: back }]);
    // The next outage is another.
    isAway = true;
    await chores.run('sign').catch(() => {});
    expect(lines).toHaveLength(4);
  });

  it('keep their time when they fail', async () => {
    vi.useFakeTimers();
    let runs = 0;
    const lines: Line[] = [];
    const fail = () => {
      runs++;
      throw new Error('away');
    };
    const chores = createChores([chore('broken', fail, 10)], tellInto(lines));
    chores.start();
    await vi.advanceTimersByTimeAsync(1000);
    expect(runs).toBeGreaterThan(50);
    expect(lines).toHaveLength(1);
    await chores.stop();
  });

  it('in progress have five seconds to end when the server stops', async () => {
    vi.useFakeTimers();
    const { ended, end } = held();
    const chores = createChores([chore('slow', () => ended)], tellInto([]));
    void chores.run('slow');
    let isStopped = false;
    const stopped = chores.stop().then(() => (isStopped = true));
    await vi.advanceTimersByTimeAsync(4999);
    expect(isStopped).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    await stopped;
    end();
  });
});
