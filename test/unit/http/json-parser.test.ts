import { fastify } from 'fastify';
import { describe, expect, it } from 'vitest';
import { jsonParserOf } from '../../../src/http/json-members.js';
import { createRandom } from '../../support/policy-cases.js';

const cases = Number(process.env['JSON_CASES'] ?? 50_000);
const seed = Number(process.env['JSON_SEED'] ?? 20_261_129);

const app = fastify();
const parse = jsonParserOf(app);
const careful = app.getDefaultJsonParser('error', 'error');

function told(read: () => unknown): unknown {
  try {
    return { value: read() };
  } catch (error) {
    const { message, statusCode, code } = error as Error & { statusCode?: number; code?: string };
    return { message, statusCode, code };
  }
}

function readCarefully(text: string): unknown {
  let read: { failure: Error | null; value?: unknown } = { failure: null };
  void careful(undefined as never, text, (failure, value) => (read = { failure, value }));
  if (read.failure) throw read.failure;
  return read.value;
}

const pieces = [
  ...['{', '}', '[', ']', ',', ':', '"', '\\', ' ', '\n', '1', '-', 'true', 'null', '\uFEFF', '\0', '\ud800'],
  ...['"a"', '"a":1', '"__proto__":{}', '"__proto__" :1', '"\\u005f_proto__":{}', '__proto__', '\\u0061', '"\\u0061"'],
  ...['"constructor":{"prototype":{}}', '"constr\\u0075ctor":{"prototype":1}', '"constructor":1', '"prototype":1'],
];

describe('JSON', () => {
  it('is read as Fastify reads it, and refused with the same words', () => {
    const random = createRandom(seed);
    let taken = 0;
    for (let asked = 0; asked < cases; asked++) {
      const inside = Array.from({ length: random.below(4) }, () => random.pick(pieces)).join(random.pick(['', ',']));
      const text = random.pick([inside, `{${inside}}`, `[{${inside}}]`, `{"a":{${inside}}}`]);
      const wanted = told(() => readCarefully(text));
      expect(
        told(() => parse(text)),
        JSON.stringify(text),
      ).toEqual(wanted);
      if ('value' in (wanted as object)) taken++;
    }
    expect(taken).toBeGreaterThan(cases / 10);
  });

  it.each(['{"__proto__":{}}', '{"\\u005f_proto__":{}}', '[{"constructor":{"prototype":{}}}]'])(
    'refuses %s',
    (text) => {
      expect(() => parse(text)).toThrow();
    },
  );
});
