import { describe, expect, it } from 'vitest';
import { running, start } from '../../support/pipelines/running.js';

const numbers = (...values: number[]) => values.map((a) => ({ a }));
const valuesOf = (records: { values: object }[]) => records.map(({ values }) => values);

describe('steps', () => {
  it('outliers: a value far from the median of the latest ones becomes that median', () => {
    const { send, records, pipeline } = running([{ outliers: 'hampel', window: 5 }]);
    send(numbers(20, 21, 20, 21, 500, 20));
    expect(records().map(({ values }) => values['a'])).toEqual([20, 21, 20, 21, 21, 20]);
    expect(pipeline.counts.outliers).toBe(1);
  });

  it('smooth: a moving average, or one that weighs the newest value', () => {
    const average = running([{ smooth: 'average', window: 2 }]);
    average.send(numbers(1, 3, 5));
    expect(valuesOf(average.records())).toEqual([{ a: 1 }, { a: 2 }, { a: 4 }]);
    const ewma = running([{ smooth: 'ewma', alpha: 0.5 }]);
    ewma.send(numbers(1, 3, 5));
    expect(valuesOf(ewma.records())).toEqual([{ a: 1 }, { a: 2 }, { a: 3.5 }]);
  });

  it('window: emits once every N records, and none of them alone', () => {
    const { send, records } = running([
      { window: { last: 4 }, emit: ['mean', 'min', 'max', 'stddev', 'p50', 'count', 'rate', 'first', 'last', 'sum'] },
    ]);
    send(numbers(2, 4, 4, 6, 100, 100));
    expect(records()).toEqual([
      {
        time: start + 3000,
        from: start,
        values: {
          'a.mean': 4,
          'a.min': 2,
          'a.max': 6,
          'a.stddev': 1.41421356237,
          'a.p50': 4,
          'a.count': 4,
          'a.rate': 1,
          'a.first': 2,
          'a.last': 6,
          'a.sum': 16,
        },
      },
    ]);
  });

  it('window: by the time of events, with late ones, and ends when the thing falls silent', () => {
    const { send, records, wait, pipeline } = running(
      [{ window: { tumbling: 10, lateness: 5 }, emit: ['count', 'rate'] }],
      { time: '$.ts' },
    );
    const at = (second: number) => ({ ts: start / 1000 + second, a: 1 });
    send([at(1), at(12), at(9), at(14)]);
    expect(records()).toEqual([]);
    send([at(15)]);
    expect(records()).toEqual([{ time: start + 10_000, from: start, values: { 'a.count': 2, 'a.rate': 0.2 } }]);
    send([at(3)]);
    expect(pipeline.counts.late).toBe(1);
    wait(20);
    expect(records().slice(1)).toEqual([
      { time: start + 20_000, from: start + 10_000, values: { 'a.count': 3, 'a.rate': 0.3 } },
    ]);
  });

  it('anomaly: how far from the mean of those before in deviations, a third of it, from ten on', () => {
    const { send, records } = running([{ anomaly: 'z' }]);
    send(numbers(9, 11, 9, 11, 9, 11, 9, 11, 9, 11, 10, 11.5, 100));
    const scores = records().map(({ values }) => values['score']);
    expect(scores.slice(0, 10).every((score) => score === undefined)).toBe(true);
    expect(scores[10]).toBe(0);
    expect(scores[11]).toBeCloseTo(1.5 / Math.sqrt(10 / 11) / 3, 12);
    expect(scores[12]).toBe(1);
  });

  it('trend: the slope in a second', () => {
    const { send, records } = running([{ trend: 'linear', window: 5 }]);
    send(numbers(1, 3, 5, 7));
    expect(records().map(({ values }) => values['a.slope'])).toEqual([undefined, undefined, 2, 2]);
  });

  it('frequency: the strongest, in hertz', () => {
    const { send, records } = running([{ frequency: 'dominant', window: 32 }]);
    // A quarter of a wave each second.
    send(Array.from({ length: 64 }, (_, n) => ({ a: 5 + Math.sin((n * Math.PI) / 2), b: 7 })));
    expect(records().flatMap(({ values }) => values['a.frequency'] ?? [])).toEqual([0.25, 0.25]);
    expect(records().flatMap(({ values }) => values['b.frequency'] ?? [])).toEqual([]);
  });

  it('threshold: an alert is published now, before its batch, with what waits', () => {
    const { send, published } = running(
      [{ threshold: 'a', max: 80, severity: 'critical' }, { batch: { size: 10, seconds: 60 } }],
      { now: [{ severity: 'critical' }] },
    );
    send(numbers(1, 2, 81, 3));
    expect(published).toEqual([
      {
        thing: 't1',
        occasion: 'now',
        records: [
          { time: start, values: { a: 1 } },
          { time: start + 1000, values: { a: 2 } },
          {
            time: start + 2000,
            values: { a: 81 },
            severity: 'critical',
            alerts: [{ value: 'a', is: 81, severity: 'critical', max: 80 }],
          },
        ],
      },
    ]);
  });

  it('what a window has taken is published too when it matters now', () => {
    const { send, records } = running(
      [
        { window: { last: 100 }, emit: ['mean'] },
        { threshold: 'a', max: 80, severity: 'critical' },
      ],
      { now: [{ severity: 'critical' }] },
    );
    send(numbers(1, 81, 1));
    expect(valuesOf(records())).toEqual([{ a: 81 }]);
  });

  it('deadband: goes on when a value changed by more, or after so long', () => {
    const { send, records, pipeline } = running([{ deadband: { a: 1 }, seconds: 4 }]);
    send(numbers(10, 10.5, 11, 11.5, 11.5, 11.5, 11.5, 11.5));
    expect(records().map(({ values }) => values['a'])).toEqual([10, 11.5, 11.5]);
    expect(pipeline.counts.dropped).toBe(5);
  });

  it('sample: one of so many, or one in so long', () => {
    const every = running([{ sample: { every: 3 } }]);
    every.send(numbers(1, 2, 3, 4, 5));
    expect(valuesOf(every.records())).toEqual([{ a: 1 }, { a: 4 }]);
    const spaced = running([{ sample: { seconds: 2 } }]);
    spaced.send(numbers(1, 2, 3, 4, 5));
    expect(valuesOf(spaced.records())).toEqual([{ a: 1 }, { a: 3 }, { a: 5 }]);
  });

  it('validate: another form is a dead letter', () => {
    const { send, records } = running([
      { validate: { type: 'object', required: ['a'], properties: { a: { type: 'number', maximum: 10 } } } },
    ]);
    expect(send([{ a: 1 }, { a: 11 }, { a: 'x' }, { b: 1 }])).toEqual([
      undefined,
      'not-valid',
      'not-valid',
      'not-valid',
    ]);
    expect(records()).toHaveLength(1);
  });

  it('redact: a value goes no further', () => {
    const { send, records } = running([{ redact: ['b'] }]);
    send([{ a: 1, b: 'secret' }]);
    expect(JSON.stringify(records())).not.toContain('secret');
  });

  it('batch: so many at once, or what is there after so long', () => {
    const { send, published, wait } = running([{ batch: { size: 3, seconds: 30 } }]);
    send(numbers(1, 2, 3, 4));
    wait(29);
    wait(30);
    expect(published.map(({ occasion, records }) => [occasion, records.length])).toEqual([
      ['batch', 3],
      ['seconds', 1],
    ]);
  });
});

describe('numbers', () => {
  it('deviations are right beside an offset that swallows squares', () => {
    const { send, records } = running([{ window: { last: 1000 }, emit: ['stddev', 'mean'] }]);
    send(Array.from({ length: 1000 }, (_, n) => ({ a: 1e9 + (n % 2) })));
    expect(records()[0]!.values['a.stddev']).toBeCloseTo(0.5, 12);
    expect(records()[0]!.values['a.mean']).toBe(1e9 + 0.5);
  });

  it('whatever numbers come, none that leaves is infinite or none', () => {
    const steps = [
      { outliers: 'hampel', window: 3 },
      { trend: 'linear', window: 3 },
      { frequency: 'dominant', window: 8 },
      { anomaly: 'ewma', points: 2, as: 'e' },
      { anomaly: 'z', points: 2, as: 'z' },
      { smooth: 'ewma', alpha: 0.9 },
    ];
    const statistics = { emit: ['mean', 'min', 'max', 'stddev', 'sum', 'rate', 'p50', 'p99'] };
    const all = running([
      ...steps,
      { window: { last: 2 }, ...statistics, of: ['a', 'b'] },
      { window: { last: 3 }, ...statistics, of: ['a.sum', 'a.stddev'] },
    ]);
    const hostile = [1e308, -1e308, 5e-324, 0, -0, 1e100, -1e100, 1e99, 1, 1e-300];
    for (let n = 0; n < 500; n++) all.send([{ a: hostile[n % 10], b: hostile[(n * 7) % 10] }]);
    const plain = running(steps);
    for (let n = 0; n < 500; n++) plain.send([{ a: hostile[n % 10], b: hostile[(n * 7) % 10] }]);
    const leaving = [...all.records(), ...plain.records()].flatMap(({ values }) => Object.values(values));
    expect(leaving.length).toBeGreaterThan(1000);
    for (const value of leaving) expect(Number.isFinite(value)).toBe(true);
    expect(all.pipeline.counts.nonFinite).toBeGreaterThan(0);
    // What was hostile is over: the weighted score comes back.
    plain.send(numbers(...Array.from({ length: 2000 }, (_, n) => n % 3)));
    expect(plain.records().at(-1)!.values['e']).toBeGreaterThan(0);
  });
});

describe('things', () => {
  it('each has its own state; the one seen least recently goes first, and what waited goes out', () => {
    const { send, published, pipeline } = running([{ batch: { size: 3, seconds: 60 } }], { maxThings: 2 });
    send(numbers(1), 't1');
    send(numbers(2), 't2');
    send(numbers(3), 't1');
    send(numbers(4), 't3');
    expect(published.map(({ thing, occasion }) => [thing, occasion])).toEqual([['t2', 'evicted']]);
    expect([pipeline.counts.evicted, pipeline.things()]).toEqual([1, 2]);
    send(numbers(5), 't1');
    expect(published.at(-1)!.records.map(({ values }) => values['a'])).toEqual([1, 3, 5]);
  });

  it('no number of things takes more than the room for some', () => {
    const { send, pipeline } = running([{ window: { last: 3 }, emit: ['mean'] }], { maxThings: 50 });
    for (let n = 0; n < 5000; n++) send(numbers(n), `t${n}`);
    expect([pipeline.things(), pipeline.counts.evicted]).toEqual([50, 4950]);
  });

  it('matches by type, topic and the variables of the thing', () => {
    const { pipeline } = running([], {
      match: { types: ['sensor'], topics: ['${account}/${thing.name}/telemetry/#'] },
    });
    const thing = { name: 't1', type: 'sensor' };
    const topics = [
      'acme/t1/telemetry',
      'acme/t1/telemetry/x/y',
      'acme/t2/telemetry',
      'other/t1/telemetry',
      'acme/t1',
      '$SYS/t1',
    ];
    expect(topics.filter((topic) => pipeline.matches({ thing, topic }))).toEqual(topics.slice(0, 2));
    expect(pipeline.matches({ thing: { name: 't1', type: 'pump' }, topic: topics[0]! })).toBe(false);
    expect(pipeline.matches({ thing: { name: 't1' }, topic: topics[0]! })).toBe(false);
  });
});

describe('dead letters', () => {
  it('are counted, and say why', () => {
    const { send, pipeline } = running([], { time: '$.ts' });
    const ts = start / 1000;
    const bad = [
      Buffer.from('{'),
      { a: 1 },
      { a: 1, ts: 'soon' },
      { a: 1, ts: ts + 90_000 },
      { ts },
      { ts, a: null },
      Buffer.alloc(300_000, ' '),
    ];
    expect(send(bad)).toEqual([
      'not-decodable',
      'no-time',
      'no-time',
      'too-far-ahead',
      'no-values',
      'no-values',
      'too-large',
    ]);
    expect(
      send([
        { ts, a: 1 },
        { ts: '2027-01-15T08:00:00Z', b: 2 },
      ]),
    ).toEqual([undefined, undefined]);
    expect(pipeline.counts).toMatchObject({ messages: 9, deadLetters: 7, records: 2, published: 2 });
  });

  it('a path follows own members alone', () => {
    const { send } = running([], { values: { a: '$.constructor.name', b: '$["__proto__"].toString' } });
    expect(send([{ x: 1 }])).toEqual(['no-values']);
  });
});
