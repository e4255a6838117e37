import { describe, expect, it } from 'vitest';
import { readSchema } from '../../../src/pipeline/json-schema.js';
import { lintPipeline } from '../../../src/pipeline/lint.js';
import { createPipeline } from '../../../src/pipeline/pipeline.js';
import { createPipelineSimulator } from '../../../src/pipelines/simulation.js';

const base = { name: 'a', match: { topics: ['${account}/+/telemetry'] }, values: { a: '$.a' } };
const documentOf = (more: object) => {
  const { document, findings } = lintPipeline({ ...base, ...more });
  expect(findings.filter(({ level }) => level === 'error')).toEqual([]);
  return document!;
};
const many = <Item>(count: number, make: (index: number) => Item): Item[] =>
  Array.from({ length: count }, (_, index) => make(index));

/** A thousand records of a value in a message of 46 KB, through steps that each sort their window. */
const heavy = documentOf({
  decode: 'senml-json',
  steps: many(31, () => ({ outliers: 'hampel', window: 301 })),
  maxThings: 10,
});
const pack = Buffer.from(JSON.stringify(many(1000, (n) => ({ n: 'a', v: (n * 7919) % 1000, t: 1e9 - 2000 + n }))));

describe('a schema of a pipeline looks at no message for long', () => {
  const dictionary = Object.fromEntries(many(22_000, (n) => [`k${n}`, 1]));
  // Each of these fits its schema, and was looked at for 3 to 16 seconds.
  const attacks: Record<string, [validate: object, message: unknown]> = {
    'constants with members': [{ items: { not: { enum: many(200, (i) => ({ i })) } } }, many(87_000, () => ({}))],
    'the length of a text': [{ allOf: many(400, () => ({ minLength: 1 })).slice(0, 199) }, 'x'.repeat(262_000)],
    'the number of members': [{ allOf: many(199, () => ({ minProperties: 1, maxProperties: 1e6 })) }, dictionary],
    'the names of members': [{ allOf: many(199, () => ({ additionalProperties: true })) }, dictionary],
  };
  it.each(Object.entries(attacks))('by %s', (_, [validate, message]) => {
    const { judge, faults } = readSchema(validate);
    expect(faults).toEqual([]);
    expect(judge(message)).toBe(false);
  });

  it('however many schemas and records there are', () => {
    const validate = { allOf: many(199, () => ({ type: 'object' })) };
    const document = documentOf({ decode: 'senml-json', steps: many(3, () => ({ validate })) });
    const pipeline = createPipeline('acme', document, () => {});
    expect(pipeline.take({ thing: { name: 'x' }, topic: 'acme/x/telemetry', payload: pack, at: 1e12 })).toBe(
      'not-valid',
    );
  });

  it('and tells equal values from others as before', () => {
    const judge = (schema: object, value: unknown): boolean => readSchema(schema).judge(value);
    for (const value of [1, 'a', null, true, [], [1, [2]], {}, { a: { b: [0] } }]) {
      expect(judge({ const: value }, structuredClone(value))).toBe(true);
      expect(judge({ enum: ['x', value, 7] }, structuredClone(value))).toBe(true);
      expect(judge({ const: value }, [value])).toBe(false);
      expect(judge({ const: [value] }, value)).toBe(false);
      expect(judge({ const: value }, { a: value })).toBe(false);
    }
    expect(judge({ const: { a: 1 } }, { b: 1 })).toBe(false);
    expect(judge({ const: { a: 1 } }, { a: 1, b: 1 })).toBe(false);
    expect(judge({ const: { a: undefined } }, {})).toBe(false);
    expect(judge({ const: [] }, {})).toBe(false);
    expect(judge({ const: {} }, [])).toBe(false);
    expect(judge({ const: {} }, new Uint8Array(0))).toBe(false);
    expect(judge({ const: 0 }, -0)).toBe(true);
    expect(judge({ const: '1' }, 1)).toBe(false);
    expect(judge({ const: { toString: 1 } }, Object.create({ toString: 1 }))).toBe(false);
  });
});

describe('messages with many records', () => {
  it('are counted as the work that they are in a simulation', async () => {
    const { simulate } = createPipelineSimulator({ clock: () => new Date(1e12) });
    const message = { thing: 'x', topic: 'acme/x/telemetry', payloadBase64: pack.toString('base64') };
    await expect(simulate('acme', heavy, { messages: many(5, () => message) })).rejects.toMatchObject({
      code: 'invalid-request',
    });
  });

  it('leave a turn to others between two records', () => {
    const light = documentOf({ decode: 'senml-json', steps: [{ smooth: 'ewma', alpha: 0.5 }] });
    const pipeline = createPipeline('acme', light, () => {});
    const taking = pipeline.taking({ thing: { name: 'x' }, topic: 'acme/x/telemetry', payload: pack, at: 1e12 });
    let turns = 0;
    while (!taking.next().done) turns++;
    expect(turns).toBe(999);
  });
});
