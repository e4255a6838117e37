import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { batchOf, lineOf } from '../../../src/agent/publish/batches.js';
import { createLines } from '../../../src/agent/publish/lines.js';
import { readMessage } from '../../../src/agent/publish/message.js';
import { decodeRecord, encodeRecord } from '../../../src/agent/publish/record.js';
import { problemOf, Refusal } from '../../../src/agent/publish/refusal.js';

const read = (text: string) => readMessage(Buffer.from(text), 'acme/pump');
const refusalOf = (octets: Buffer): Refusal => {
  try {
    readMessage(octets, 'acme/pump');
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
  throw new Error(`it was taken: ${octets.toString('utf8', 0, 200)}`);
};

describe('lines', () => {
  it('are the same in whatever pieces they come, and too long ones are left out', () => {
    const line = fc.string({ maxLength: 30 }).map((text) => text.replaceAll('\n', ' '));
    fc.assert(
      fc.property(fc.array(line, { maxLength: 20 }), fc.array(fc.nat(40)), (texts, cuts) => {
        const whole = Buffer.from(texts.join('\n'));
        const expected = texts
          .map((text, at) => [at + 1, text] as const)
          .filter(([, text]) => !/^[ \t\r]*$/.test(text))
          .map(([number, text]) => (Buffer.byteLength(text) > 20 ? `${number} too long` : `${number} ${text}`));
        const found: string[] = [];
        const lines = createLines(20, {
          line: (octets, number) => void found.push(`${number} ${octets.toString()}`),
          tooLong: (number) => void found.push(`${number} too long`),
        });
        let at = 0;
        for (const cut of cuts) lines.push(Buffer.from(whole.subarray(at, (at += cut))));
        lines.push(Buffer.from(whole.subarray(at)));
        lines.end();
        // Blank lines that are too long are told as such.
        const blank = (each: string): boolean => /^\d+ too long$/.test(each);
        expect(found.filter((each) => !blank(each))).toEqual(expected.filter((each) => !blank(each)));
        expect(expected.filter(blank).every((each) => found.includes(each))).toBe(true);
      }),
    );
  });
});

describe('a message', () => {
  it('has a topic of the thing or any other, JSON or octets, and an id', () => {
    expect(read('{"topic":"~/a","payload":{"b":[1,null]},"id":"x"}')).toEqual({
      id: 'x',
      topic: 'acme/pump/a',
      payload: Buffer.from('{"b":[1,null]}'),
      isJson: true,
      qos: 1,
      retain: false,
    });
    const made = read('\uFEFF {"topic":"~a/~/b","payloadBase64":"","qos":0,"retain":true}\r');
    expect(made).toMatchObject({ topic: '~a/~/b', payload: Buffer.alloc(0), isJson: false, qos: 0, retain: true });
    expect(made.id).toMatch(/^[0-9a-f-]{36}$/);
  });

  it.each([
    'null',
    '[]',
    '1',
    '{',
    '{}',
    '{"topic":"a"}',
    '{"topic":"","payload":1}',
    '{"topic":"a/+","payload":1}',
    '{"topic":"#","payload":1}',
    '{"topic":"a\\u0000","payload":1}',
    '{"topic":"\\ud800","payload":1}',
    '{"topic":["a"],"payload":1}',
    `{"topic":"${'a'.repeat(1025)}","payload":1}`,
    '{"topic":"a","payload":1,"payloadBase64":""}',
    '{"topic":"a","payloadBase64":"AA"}',
    '{"topic":"a","payloadBase64":"A A="}',
    '{"topic":"a","payloadBase64":"_w=="}',
    '{"topic":"a","payloadBase64":1}',
    '{"topic":"a","payload":1,"qos":2}',
    '{"topic":"a","payload":1,"qos":"1"}',
    '{"topic":"a","payload":1,"retain":1}',
    '{"topic":"a","payload":1,"id":""}',
    '{"topic":"a","payload":1,"id":"a b"}',
    '{"topic":"a","payload":1,"id":1}',
    `{"topic":"a","payload":1,"id":"${'a'.repeat(129)}"}`,
    '{"topic":"a","payload":1,"__proto__":{}}',
    '{"topic":"a","payloads":1}',
  ])('is refused as %s', (text) => {
    const refusal = refusalOf(Buffer.from(text));
    expect(problemOf(refusal)).toMatchObject({ status: 400, type: 'urn:thingward:problem:bad-message' });
  });

  it('has its JSON as it was written, numbers that nothing can hold among it', () => {
    const payload = '{"count":9007199254740993,"far":1e400,"exact":0.10}';
    expect(read(`{"topic":"a","payload":${payload}}`).payload.toString()).toBe(payload);
  });

  it('is refused when it is no UTF-8, whatever the octets are', () => {
    expect(refusalOf(Buffer.from([0x22, 0xff, 0x22])).kind).toBe('bad-message');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
        expect(refusalOf(Buffer.from(octets)).kind).toBe('bad-message');
      }),
    );
  });

  it('is in the queue what it was, and nothing else is read there', () => {
    const queued = fc.record({
      id: fc.stringMatching(/^[!-~]{1,128}$/),
      topic: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 100 }),
      payload: fc.uint8Array().map((octets) => Buffer.from(octets)),
      isJson: fc.boolean(),
      qos: fc.constantFrom(0 as const, 1 as const),
      retain: fc.boolean(),
      at: fc.nat({ max: 2 ** 48 - 1 }),
    });
    fc.assert(fc.property(queued, (message) => void expect(decodeRecord(encodeRecord(message))).toEqual(message)));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (octets) => {
        decodeRecord(Buffer.from(octets));
      }),
    );
    expect(decodeRecord(Buffer.alloc(0))).toBe(undefined);
    expect(decodeRecord(Buffer.alloc(40, 0xff))).toBe(undefined);
    expect(decodeRecord(Buffer.alloc(9, 0x10))).toBe(undefined);
  });

  it('is a line of a batch, which one value of JSON is', () => {
    const message = { ...read('{"topic":"~/a","payload":{"b":"\\n"},"id":"x","qos":0,"retain":true}'), at: 0 };
    expect(JSON.parse(lineOf(message))).toEqual({
      id: 'x',
      topic: 'acme/pump/a',
      at: '1970-01-01T00:00:00.000Z',
      qos: 0,
      retain: true,
      payload: { b: '\n' },
    });
    expect(lineOf(message).match(/\n/g)).toHaveLength(1);
    const { topic, userProperties } = batchOf([lineOf(message)], 'acme/pump', undefined);
    expect([topic, userProperties!.map(([name]) => name)]).toEqual([
      'acme/pump/batches',
      ['id', 'content-encoding', 'count'],
    ]);
  });
});
