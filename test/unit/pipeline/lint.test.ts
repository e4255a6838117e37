import { describe, expect, it } from 'vitest';
import { builtInPipelines } from '../../../src/pipeline/built-in.js';
import { parsePath } from '../../../src/pipeline/json-path.js';
import { readSchema } from '../../../src/pipeline/json-schema.js';
import { lintPipeline } from '../../../src/pipeline/lint.js';

const document = (more: object = {}) => ({
  name: 'p',
  match: { topics: ['${account}/+/x'] },
  values: { t: '$.t' },
  steps: [],
  ...more,
});
const found = (input: unknown) => lintPipeline(input).findings.map(({ code, at }) => `${code} ${at}`);
const steps = (...all: object[]) => document({ steps: all });

describe('lint of pipelines', () => {
  it('has nothing against what is built in', () => {
    for (const each of builtInPipelines) expect(lintPipeline(each).findings).toEqual([]);
  });

  it.each<[string, unknown]>([
    ['shape ', undefined],
    ['shape ', []],
    ['shape /match/topics', document({ match: { topics: [] } })],
    ['shape /name', document({ name: 'a b' })],
    ['shape ', document({ sink: 'x' })],
    ['shape /decode', document({ decode: 'xml' })],
    ['shape /values', document({ values: {} })],
    ['unknown-step /steps/0', steps({ sum: 1 })],
    ['not-available /steps/0/image', steps({ image: { width: 100 } })],
    ['not-available /steps/0/call', steps({ call: 'detector' })],
    ['shape /steps/0/window', steps({ outliers: 'hampel', window: 2 })],
    ['shape /steps/0', steps({ redact: ['t'], more: 1 })],
    ['shape /steps/0/window/last', steps({ window: { last: 0 }, emit: ['mean'] })],
    ['shape /steps/0/emit/0', steps({ window: { last: 5 }, emit: ['average'] })],
    ['bad-statistic /steps/0/emit/0', steps({ window: { last: 5 }, emit: ['p00'] })],
    ['value-taken /steps/0/emit/1', steps({ window: { last: 5 }, emit: ['p95', 'p95'] })],
    ['bad-path /values/t', document({ values: { t: '$..t' } })],
    ['bad-path /time', document({ time: 'ts' })],
    ['needless-time /time', document({ time: '$.ts', decode: 'sparkplug' })],
    ['bad-topic /match/topics/0', document({ match: { topics: ['a/#/b'] } })],
    ['bad-topic /match/topics/0', document({ match: { topics: ['${thing.colour}/x'] } })],
    ['bad-topic /match/topics/0', document({ match: { topics: ['$SYS/#'] } })],
    ['bad-topic /match/topics/0', document({ match: { topics: ['a${thing.name}/x'] } })],
    ['unknown-value /steps/0', steps({ threshold: 'u', max: 1 })],
    ['unknown-value /steps/0', steps({ smooth: 'average', of: ['t.mean'] })],
    ['unknown-value /now/0/score', document({ now: [{ score: { over: 1 } }] })],
    ['empty-bounds /now/0/t', document({ now: [{ t: {} }] })],
    ['shape /now/0', document({ now: [{}] })],
    ['shape /now/0/severity', document({ now: [{ severity: { over: 1 } }] })],
    ['empty-bounds /steps/0', steps({ threshold: 't' })],
    ['value-taken /values/severity', document({ values: { severity: '$.t' } })],
    ['value-taken /steps/1', steps({ anomaly: 'z' }, { anomaly: 'ewma', of: ['t'] })],
    ['batch-not-last /steps/0', steps({ batch: { size: 2 } }, { redact: ['t'] })],
    ['nothing-goes /steps/0/points', steps({ anomaly: 'z', points: 20, window: 10 })],
    ['window-gaps /steps/0/window/every', steps({ window: { sliding: 5, every: 10 }, emit: ['mean'] })],
    ['too-many-windows /steps/0/window', steps({ window: { sliding: 3600, every: 1 }, emit: ['mean'] })],
    ['too-much-state /steps', steps({ window: { sliding: 100, every: 1 }, emit: ['p95'] })],
    [
      'too-much-state /maxThings',
      document({ maxThings: 100_000, steps: [{ window: { last: 10_000 }, emit: ['p95'] }] }),
    ],
    [
      'bad-schema /steps/0/validate/properties/t/pattern',
      steps({ validate: { properties: { t: { pattern: '(a+)+$' } } } }),
    ],
    ['bad-schema /steps/0/validate/$ref', steps({ validate: { $ref: 'https://example.com/x' } })],
    ['too-large ', document({ name: 'x'.repeat(70_000) })],
    ['too-large ', document({ steps: new Array(6000).fill(1) })],
  ])('says %s', (finding, input) => {
    expect(found(input)).toContain(finding);
    expect(found(input).length).toBeLessThanOrEqual(100);
  });

  it.each([
    'http://10.0.0.1/',
    'mqtt://broker',
    '10.0.0.1:9092',
    '//host',
    'host.example',
    'localhost:80',
    'UP',
    'a b',
    '../x',
    'ｈttp',
    '',
  ])('a sink is a name, and %j is none', (name) => {
    expect(found(document({ to: [name] }))).toEqual(['url /to/0']);
  });

  it('warns about sinks that an edge may not have', () => {
    expect(lintPipeline(document({ to: ['upstream', 'lake'] })).findings).toMatchObject([
      { level: 'warning', code: 'other-sink', at: '/to/1' },
    ]);
  });

  it('tells no more than a hundred findings, each short', () => {
    const { findings } = lintPipeline(
      steps(...Array.from({ length: 32 }, () => ({ window: { last: 1 }, emit: new Array(32).fill('x'.repeat(50)) }))),
    );
    expect(findings).toHaveLength(100);
    for (const { message } of findings) expect(message.length).toBeLessThan(400);
  });
});

describe('paths', () => {
  it.each<[string, unknown]>([
    ['$', []],
    ['$.a.b-c', ['a', 'b-c']],
    ['$.a[0]["x y"]', ['a', 0, 'x y']],
    ["$['a.b']", ['a.b']],
  ])('%s', (text, path) => expect(parsePath(text)).toEqual(path));

  it.each([
    '',
    'a',
    '$.',
    '$a',
    '$..a',
    '$.*',
    '$[*]',
    '$[-1]',
    '$[0:2]',
    '$[?(@.a)]',
    '$["a"',
    '$["a\\"b"]',
    `$${'.a'.repeat(17)}`,
  ])('%j is none', (text) => expect(parsePath(text)).toBeUndefined());
});

describe('JSON Schema', () => {
  const holds = (schema: unknown, value: unknown) => {
    const { judge, faults } = readSchema(schema);
    expect(faults).toEqual([]);
    return judge(value);
  };

  it.each<[unknown, unknown, boolean]>([
    [{ type: 'integer' }, 1.5, false],
    [{ type: ['null', 'number'] }, null, true],
    [{ enum: [1, { a: [2] }] }, { a: [2] }, true],
    [{ const: 'a' }, 'b', false],
    [{ required: ['toString'] }, {}, false],
    [{ properties: { a: { minimum: 1 } }, additionalProperties: false }, { a: 1 }, true],
    [{ properties: { a: true }, additionalProperties: false }, { b: 1 }, false],
    [{ additionalProperties: { type: 'string' } }, { b: 1 }, false],
    [{ items: { maxLength: 1 } }, ['é', '😀'], true],
    [{ items: { maxLength: 1 }, maxItems: 1 }, ['a', 'b'], false],
    [{ oneOf: [{ minimum: 1 }, { maximum: 1 }] }, 1, false],
    [{ anyOf: [{ const: 1 }, { const: 2 }] }, 2, true],
    [{ allOf: [{ exclusiveMinimum: 1 }, { exclusiveMaximum: 3 }] }, 3, false],
    [{ not: { type: 'string' } }, 'a', false],
    [{ minProperties: 1 }, {}, false],
    [{ minItems: 1 }, 'no list', true],
    [false, 1, false],
  ])('%j of %j: %s', (schema, value, is) => expect(holds(schema, value)).toBe(is));

  it.each<unknown>([
    { type: 'text' },
    { pattern: 'a' },
    { patternProperties: {} },
    { $ref: '#' },
    { minimum: '1' },
    { anyOf: [] },
    { constructor: 1 },
    'x',
    null,
  ])('refuses %j', (schema) => expect(readSchema(schema).faults).not.toEqual([]));

  it('refuses what is nested without end, and gives up on what costs too much', () => {
    let deep: object = {};
    for (let level = 0; level < 10_000; level++) deep = { not: deep };
    expect(readSchema(deep).faults.length).toBeGreaterThan(0);
    const wide = { items: { anyOf: Array.from({ length: 200 }, (_, n) => ({ const: `no${n}` })) } };
    const began = performance.now();
    expect(holds({ not: wide }, new Array(100_000).fill(1))).toBe(true);
    expect(holds({ items: { not: wide } }, new Array(2000).fill(new Array(200).fill(1)))).toBe(false);
    expect(performance.now() - began).toBeLessThan(5000);
  });
});
