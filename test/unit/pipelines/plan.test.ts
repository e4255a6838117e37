import { describe, expect, it } from 'vitest';
import { costOf, octetsOf, processorsOf } from '../../../src/pipeline/cost.js';
import { lintPipeline } from '../../../src/pipeline/lint.js';
import { planSite, type Costed, type SiteState } from '../../../src/pipelines/plan.js';

const version = (number: number, steps: object[] = [], more: object = {}): Costed => {
  const name = 'pumps';
  const { document } = lintPipeline({
    name,
    match: { topics: ['#'] },
    values: { t: '$.t' },
    steps,
    maxThings: 10,
    ...more,
  });
  return { name: document!.name, version: number, match: document!.match, cost: costOf(document!) };
};
const heavy = Array.from({ length: 3 }, () => ({ outliers: 'hampel', window: 301 }));

/** A site of one processor and a gigabyte that takes a thousand messages a second. */
const site = (load: Partial<SiteState['load']> = {}): SiteState => ({
  id: '1',
  name: 'berlin-1',
  capacity: { cores: 1, memory: 1e9 },
  load: { cpu: 0.5, memory: 5e8, messages: 1000, sessions: 10, pipelines: [], ...load },
});
const alone = (candidate: Costed, before?: Costed, others: Costed[] = []) => ({ candidate, before, others });

describe('what a pipeline costs', () => {
  it('grows with what its steps look at, and with records that are published', () => {
    const stream = { messages: 1000, things: 10 };
    const of = (steps: object[]) => processorsOf(version(1, steps).cost, stream);
    expect(of(heavy)).toBeGreaterThan(of([{ outliers: 'hampel', window: 11 }]));
    expect(of([{ window: { last: 100 }, emit: ['mean'] }])).toBeLessThan(of([]));
    expect(of([{ window: { tumbling: 60 }, emit: ['mean'] }])).toBeLessThan(of([]));
    expect(of([{ batch: { size: 100, seconds: 60 } }])).toBeLessThan(of([]));
    expect(processorsOf(version(1).cost, { messages: 0, things: 0 })).toBe(0);
  });

  it('is the most that its things may come to keep', () => {
    const [few, many] = [10, 1000].map((maxThings) => octetsOf(version(1, heavy, { maxThings }).cost));
    expect(many).toBe(100 * few!);
    expect(octetsOf(version(1, [{ batch: { size: 1000, seconds: 60 } }]).cost)).toBeGreaterThan(10 * 1000 * 9 * 16);
  });
});

describe('the plan of a site', () => {
  it('is what is in use and what comes to it; above 90 % it does not fit', () => {
    const light = planSite(site(), alone(version(1)));
    expect(light).toMatchObject({ fits: true, over: [], cpu: { present: 0.5 } });
    expect(light.cpu.planned).toBeCloseTo(0.5 + processorsOf(version(1).cost, { messages: 1000, things: 10 }));
    expect(planSite(site({ cpu: 0.89 }), alone(version(1)))).toMatchObject({ fits: false, over: ['cpu'] });
    const large = planSite(site(), alone(version(1, heavy, { maxThings: 100_000 })));
    expect(large).toMatchObject({ fits: false, over: ['memory'] });
    expect(large.memory.planned).toBeGreaterThan(0.9);
  });

  it('of a site that is full already lets in what needs nothing of what is lacking', () => {
    expect(planSite(site({ cpu: 0.99, messages: 0 }), alone(version(1))).fits).toBe(true);
    expect(planSite(site({ cpu: 0.99 }), alone(version(1))).fits).toBe(false);
    const ofPumps = version(1, [], { match: { types: ['pump'], topics: ['#'] } });
    const types = [{ type: 'valve', messages: 1000 }];
    expect(planSite(site({ cpu: 0.99, types }), alone(ofPumps)).fits).toBe(true);
    expect(planSite(site({ cpu: 0.99, types: [{ type: 'pump', messages: 1 }] }), alone(ofPumps)).fits).toBe(false);
  });

  it('never refuses a version that is no heavier than the active one', () => {
    const full = site({
      cpu: 1,
      memory: 9.9e8,
      pipelines: [{ name: 'pumps', version: 1, messages: 1000, cpu: 0.2, things: 10 }],
    });
    expect(planSite(full, alone(version(2), version(1, heavy))).fits).toBe(true);
    expect(planSite(full, alone(version(2, heavy), version(1, heavy))).fits).toBe(true);
    expect(planSite(full, alone(version(2, heavy), version(1)))).toMatchObject({
      fits: false,
      over: ['cpu', 'memory'],
    });
  });

  it('counts what a pipeline that runs really costs, and not twice', () => {
    const before = version(1, heavy);
    const measured = { name: 'pumps', version: 1, messages: 1000, cpu: 0.2, things: 10 };
    const running = site({ cpu: 0.5, pipelines: [measured] });
    expect(planSite(running, alone(version(2, heavy), before)).cpu.planned).toBeCloseTo(0.5);
    const other = { ...version(1), name: 'other' };
    // Steps that take longer here than the table says take longer in the next version too.
    const [slow, fast] = [0.4, 0.05].map((cpu) => {
      const state = site({ cpu: 0.5, pipelines: [{ ...measured, cpu }] });
      return planSite(state, alone(version(2, [...heavy, { outliers: 'hampel', window: 301 }]), before)).cpu.planned;
    });
    expect(slow).toBeGreaterThan(fast! + 0.08);
    expect(planSite(running, alone(other, undefined, [before])).cpu.planned).toBeLessThan(0.54);
  });

  it('counts what is active and not reported yet: of two activations one after the other, the second may not fit', () => {
    const first = version(1, heavy);
    const second = { ...version(1, heavy), name: 'second' };
    const state = site({ cpu: 0.75 });
    expect(planSite(state, alone(first)).fits).toBe(true);
    expect(planSite(state, alone(second)).fits).toBe(true);
    expect(planSite(state, alone(second, undefined, [first]))).toMatchObject({ fits: false, over: ['cpu'] });
  });

  it('is finite whatever an edge says', () => {
    for (const load of [
      { messages: 1e12, sessions: 1_000_000 },
      { pipelines: [{ name: 'pumps', version: 1, messages: 0, cpu: 65_536, things: 1_000_000 }] },
      { pipelines: [{ name: 'pumps', version: 1, messages: 1e12, cpu: 0 }] },
    ])
      for (const memory of [0, 1e9]) {
        const state = { ...site(load), capacity: { cores: 0.01, memory } };
        const { cpu, memory: octets } = planSite(state, alone(version(2, heavy), version(1)));
        for (const share of [cpu.planned, octets.planned]) expect(share).toBeGreaterThanOrEqual(0);
        expect(Number.isFinite(cpu.planned + octets.planned)).toBe(true);
      }
  });
});
