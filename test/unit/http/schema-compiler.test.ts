import { Ajv } from 'ajv';
import { z } from 'zod';
import { describe, expect, it } from 'vitest';
import { batch, question, streamedQuestion } from '../../../src/authorize/schema.js';
import { compileSchema } from '../../../src/http/schema-compiler.js';
import { createRandom, type Random } from '../../support/policy-cases.js';

const cases = Number(process.env['SCHEMA_CASES'] ?? 20_000);
const seed = Number(process.env['SCHEMA_SEED'] ?? 20_261_129);

const ajv = new Ajv({ strict: false, allErrors: false, validateFormats: false, unicode: false, logger: false });
const plain = (schema: z.ZodType) => ajv.compile(z.toJSONSchema(schema, { io: 'input', target: 'draft-7' }));

const hex = '9b1f0c5de2a94b6f8e3d7c1a05f4b2d86e7a9c3b1d0f5e4a8b6c2d9e7f3a1b50';
const values: unknown[] = [
  'pump-17',
  hex,
  hex.toUpperCase().replace(/..(?!$)/g, '$&:'),
  `${hex}0`,
  hex.slice(1),
  `${hex}\n`,
  '',
  'x'.repeat(257),
  'true',
  '1',
  null,
  true,
  0,
  1,
  2.5,
  [],
  {},
  { thingName: 'pump-17' },
];
const members = {
  principal: ['token', 'fingerprint', 'certificatePem', 'thingName', '__proto__', 'other'],
  context: ['sourceIp', 'protocol', 'clientId', 'retain', 'qos', 'other'],
  question: ['action', 'resource', 'atLeast', 'id', 'other'],
};

function objectOf(random: Random, names: readonly string[], most: number): Record<string, unknown> {
  const chosen = Array.from({ length: random.below(most + 1) }, () => random.pick(names));
  return Object.fromEntries(chosen.map((name) => [name, random.pick(values)]));
}

/** Questions that are nearly right, so that about half of what is wrong is wrong in one place. */
function randomQuestion(random: Random): unknown {
  if (random.chance(0.02)) return random.pick(values);
  const principal = random.pick([
    { token: 't' },
    { token: 't', fingerprint: hex },
    { token: 't', certificatePem: 'c' },
    { fingerprint: hex },
    { certificatePem: 'c' },
    { thingName: 'pump-17' },
    objectOf(random, members.principal, 3),
    random.pick(values),
  ]);
  return {
    principal,
    action: 'publish',
    resource: 'topic:a',
    ...(random.chance(0.5) ? { id: random.below(9) } : {}),
    ...(random.chance(0.3) ? { context: objectOf(random, members.context, 2) } : {}),
    ...(random.chance(0.2) ? objectOf(random, members.question, 2) : {}),
  };
}

describe('compileSchema', () => {
  for (const [name, schema] of Object.entries({ question, streamedQuestion, batch })) {
    it(`says of a ${name} what the plain schema says, with the same errors`, () => {
      const random = createRandom(seed);
      const [compiled, exact] = [compileSchema({ schema }), plain(schema)];
      const seen = { taken: 0, refused: 0 };
      for (let asked = 0; asked < cases; asked++) {
        const one = randomQuestion(random);
        const value = name === 'batch' ? { requests: [one, randomQuestion(random)] } : one;
        const wanted = exact(value);
        expect(compiled(value), JSON.stringify(value)).toBe(wanted);
        if (!wanted) expect(compiled.errors, JSON.stringify(value)).toEqual(exact.errors);
        seen[wanted ? 'taken' : 'refused']++;
      }
      expect(Math.min(seen.taken, seen.refused)).toBeGreaterThan(cases / 20);
    });
  }

  it('makes no error for a choice that it takes', () => {
    const compiled = compileSchema({ schema: question });
    expect(compiled({ principal: { thingName: 'a' }, action: 'publish', resource: 'topic:a' })).toBe(true);
    expect(compiled.errors ?? null).toBeNull();
  });
});
