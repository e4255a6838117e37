import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { nullsDropper } from '../../../src/http/nulls.js';
import { question } from '../../../src/authorize/schema.js';
import { newSegment } from '../../../src/segments/schema.js';

describe('null in a body', () => {
  const schema = z.strictObject({
    name: z.string(),
    size: z.int().optional(),
    note: z.string().nullable().optional(),
    inner: z.strictObject({ deep: z.boolean().optional() }).optional(),
    list: z.array(z.strictObject({ a: z.int().optional() })).optional(),
    words: z.record(z.string(), z.string()).optional(),
    anything: z.unknown().optional(),
  });

  it('is the same as absent where the schema has no use for it, at any depth', () => {
    const body = {
      name: 'x',
      size: null,
      inner: { deep: null },
      list: [{ a: null }, { a: 1 }],
      words: { a: null, b: 'c' },
    };
    const read = schema.parse(nullsDropper(schema)(body));
    expect(read).toEqual({ name: 'x', inner: {}, list: [{}, { a: 1 }], words: { b: 'c' } });
  });

  it('stays where the schema says null or anything, in lists, and for members that are not known', () => {
    const body = { name: 'x', note: null, anything: null, list: [null], more: null };
    expect(nullsDropper(schema)(structuredClone(body))).toEqual(body);
    expect(schema.safeParse(body).success).toBe(false);
  });

  it('leaves a member that must be there missing, so that the schema refuses it', () => {
    expect(schema.safeParse(nullsDropper(schema)({ name: null })).success).toBe(false);
  });

  it('is absent in every form of a choice, and data where data may be anything', () => {
    const body = {
      principal: { thingName: 'a', token: null, fingerprint: null },
      action: 'a',
      resource: 'b',
      context: null,
    };
    expect(nullsDropper(question)(body)).toEqual({ principal: { thingName: 'a' }, action: 'a', resource: 'b' });
    const segment = { name: 'a', cidr: '10.0.0.0/8', egressRules: [{ port: null }], trafficPolicy: { qos: null } };
    expect(nullsDropper(newSegment)(segment)).toEqual({ ...segment, egressRules: [{ port: null }], trafficPolicy: {} });
  });
});
