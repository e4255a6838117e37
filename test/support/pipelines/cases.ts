// Random pipelines and streams.
import type { PipelineDocument } from '../../../src/pipeline/document.js';
import { wire } from '../../../src/pipeline/fields.js';
import { lintPipeline } from '../../../src/pipeline/lint.js';
import { readShape } from '../../../src/pipeline/read.js';
import type { Random } from '../policy-cases.js';
import type { Happening } from './reference.js';

const real = (random: Random, from: number, to: number) => from + (random.below(2 ** 31) / 2 ** 31) * (to - from);

type Raw = Record<string, unknown>;

function randomStep(random: Random, names: string[]): Raw {
  const of = random.chance(0.3) ? { of: [...new Set([random.pick(names), random.pick(names)])] } : {};
  const value = random.pick(names);
  const emits = ['mean', 'min', 'max', 'stddev', 'sum', 'count', 'rate', 'first', 'last', 'p50', 'p95', 'p99.9', 'p7'];
  const emit = [...new Set(Array.from({ length: random.between(1, 5) }, () => random.pick(emits)))];
  const lateness = random.chance(0.5) ? random.between(0, 30) : undefined;
  const makers: (() => Raw)[] = [
    () => ({
      outliers: 'hampel',
      window: random.between(3, 12),
      sigmas: real(random, 0.5, 4),
      replace: random.pick(['median', 'nothing']),
      ...of,
    }),
    () => ({ smooth: 'average', window: random.between(2, 9), ...of }),
    () => ({ smooth: 'ewma', alpha: real(random, 0.05, 0.95), ...of }),
    () => ({ window: { last: random.between(1, 9) }, emit, ...of }),
    () => ({ window: { tumbling: random.between(5, 40), lateness }, emit, ...of }),
    () => ({ window: { sliding: random.between(20, 60), every: random.between(5, 20), lateness }, emit, ...of }),
    () => ({
      anomaly: 'z',
      points: random.between(2, 6),
      window: random.between(6, 15),
      as: `s${random.below(1e6)}`,
      ...of,
    }),
    () => ({
      anomaly: 'ewma',
      points: random.between(2, 6),
      alpha: real(random, 0.05, 0.9),
      as: `s${random.below(1e6)}`,
      ...of,
    }),
    () => ({ trend: 'linear', window: random.between(3, 10), ...of }),
    () => ({ frequency: 'dominant', window: random.pick([8, 16]), ...of }),
    () => ({ threshold: value, max: real(random, 0, 20), severity: random.pick(['info', 'warning', 'critical']) }),
    () => ({ threshold: value, min: real(random, -20, 5), max: real(random, 6, 20) }),
    () => ({
      deadband: { [value]: real(random, 0.1, 5) },
      ...(random.chance(0.3) ? { seconds: real(random, 5, 60) } : {}),
    }),
    () => ({ sample: random.chance(0.5) ? { every: random.between(1, 4) } : { seconds: real(random, 1, 20) } }),
    () => ({ redact: [value] }),
  ];
  return random.pick(makers)();
}

/** A document that may be saved. */
export function randomDocument(random: Random): PipelineDocument {
  for (;;) {
    const values = random.chance(0.5) ? { a: '$.a', b: '$.b["x y"][1]' } : { a: '$.a' };
    const steps: Raw[] = [];
    let names = Object.keys(values);
    for (let left = random.between(0, 6); left > 0; left--) {
      steps.push(randomStep(random, names));
      const { document } = readShape({ name: 'p', match: { topics: ['#'] }, values, steps });
      names = document ? wire(document).names : names;
    }
    const now = random.chance(0.5)
      ? [
          { severity: random.pick(['info', 'warning', 'critical']) },
          { [random.pick(names)]: { over: real(random, 0.1, 15) } },
        ]
      : [];
    if (random.chance(0.5)) steps.push({ batch: { size: random.between(1, 6), seconds: random.between(5, 60) } });
    const maxThings = random.chance(0.3) ? random.between(1, 3) : 100;
    const { document, findings } = lintPipeline({
      name: 'p',
      match: { topics: ['#'] },
      time: '$.ts',
      values,
      steps,
      now,
      maxThings,
    });
    if (document && findings.every(({ level }) => level !== 'error')) return document;
  }
}

const start = 1_800_000_000_000;

/** What happens to a pipeline: several things, values of several kinds, late and lost ones, and silence. */
export function randomHappenings(random: Random, hasB: boolean): Happening[] {
  const happenings: Happening[] = [];
  const levels = new Map<string, () => unknown>();
  let at = start;
  for (let left = random.between(5, 60); left > 0; left--) {
    at += random.chance(0.05) ? random.between(20_000, 120_000) : random.between(0, 4000);
    if (random.chance(0.15)) {
      happenings.push({ at });
      continue;
    }
    const thing = random.pick(['t1', 't1', 't1', 't2', 't3', 't4']);
    const level = levels.get(thing) ?? levelOf(random);
    levels.set(thing, level);
    if (random.chance(0.03)) {
      happenings.push({ at, thing, dead: true });
      continue;
    }
    const time = at - (random.chance(0.3) ? random.between(0, 60_000) : 0);
    const values: Record<string, unknown> = {};
    if (!random.chance(0.1)) values['a'] = level();
    if (hasB && !random.chance(0.2)) values['b'] = level();
    happenings.push(Object.keys(values).length > 0 ? { at, thing, time, values } : { at, thing, dead: true });
  }
  at += random.between(0, 200_000);
  happenings.push({ at });
  return happenings;
}

function levelOf(random: Random): () => unknown {
  const offset = random.pick([0, 5, 50, 10_000]);
  const wave = random.pick([0, 0, 7]);
  let place = 0;
  const kind = random.below(4);
  return () => {
    if (random.chance(0.02)) return random.pick(['text', true, false]);
    if (random.chance(0.03)) return offset + random.between(-1000, 1000);
    if (kind === 0) return offset + 0.1;
    if (kind === 1) return offset + random.between(0, 4) / 4;
    return offset + real(random, -3, 3) + wave * Math.sin(place++);
  };
}
