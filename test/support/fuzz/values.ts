import fc from 'fast-check';
import type { Random } from '../policy-cases.js';
import type { Schema } from './operations.js';

/** What a member of a name may well be, where the schema alone does not say: names of things that exist, say. */
export type Hints = (name: string) => readonly unknown[] | undefined;

/** A value that fits a schema, mostly. */
export function fitting(schema: Schema, name: string, random: Random, hints: Hints, depth = 0): unknown {
  const hinted = hints(name);
  if (hinted && hinted.length > 0 && random.chance(0.9)) return random.pick(hinted);
  if (schema.const !== undefined) return schema.const;
  if (schema.enum && schema.enum.length > 0) return random.pick(schema.enum);
  const choices = schema.anyOf ?? schema.oneOf ?? schema.allOf ?? [];
  if (choices.length > 0) return fitting(random.pick(choices), name, random, hints, depth);
  const type = [schema.type].flat();
  const make = makers[String(random.pick(type))];
  return make ? make(schema, name, random, hints, depth) : random.pick(['x', 1, true, { a: 1 }, ['b']]);
}

type Maker = (schema: Schema, name: string, random: Random, hints: Hints, depth: number) => unknown;

const makers: Record<string, Maker> = {
  string: (schema, _name, random) => fittingText(schema, random),
  integer: (schema, _name, random) => Math.round(between(schema, random)),
  number: (schema, _name, random) => between(schema, random),
  boolean: (_schema, _name, random) => random.chance(0.5),
  null: () => null,
  array({ minItems = 0, items = {} }, name, random, hints, depth) {
    const length = Math.max(minItems, random.below(depth > 3 ? 1 : 3));
    return Array.from({ length }, () => fitting(items, name, random, hints, depth + 1));
  },
  object: (schema, _name, random, hints, depth) => fittingObject(schema, random, hints, depth),
};

function fittingObject(schema: Schema, random: Random, hints: Hints, depth: number): Record<string, unknown> {
  const { properties = {}, required = [], additionalProperties } = schema;
  const wanted = Object.entries(properties).filter(([name]) => required.includes(name) || random.chance(0.35));
  const made = wanted.map(([name, each]) => [name, fitting(each, name, random, hints, depth + 1)] as const);
  if (typeof additionalProperties !== 'object' || depth > 4) return Object.fromEntries(made);
  const extra = Array.from({ length: random.below(3) }, (_, index) => {
    const key = schema.propertyNames ? fittingText(schema.propertyNames, random) : `key${index}`;
    return [key, fitting(additionalProperties, key, random, hints, depth + 1)] as const;
  });
  return Object.fromEntries([...made, ...extra]);
}

function between({ minimum = 0, maximum = 100 }: Schema, random: Random): number {
  const [least, most] = [Math.max(minimum, -1e6), Math.min(maximum, 1e6)];
  return random.chance(0.3) ? random.pick([minimum, maximum]) : least + random.below(Math.max(1, most - least));
}

const samples = new Map<string, string[]>();

function fittingText({ pattern, format, minLength = 0, maxLength = 40 }: Schema, random: Random): string {
  if (format === 'uuid') return `00000000-0000-4000-8000-${String(random.below(1e9)).padStart(12, '0')}`;
  if (format === 'date-time') return new Date(1.7e12 + random.below(1e9) * 100).toISOString();
  if (format === 'uri') return 'http://127.0.0.1:9/';
  if (pattern !== undefined) return random.pick(matching(pattern));
  return 'a'.repeat(Math.max(minLength, random.below(Math.min(maxLength, 40))));
}

/** Twenty texts that a pattern takes, the same in every run. */
function matching(pattern: string): string[] {
  const known = samples.get(pattern);
  if (known) return known;
  const made = fc.sample(fc.stringMatching(new RegExp(pattern, 'u')), { seed: 7, numRuns: 20 });
  samples.set(pattern, made);
  return made;
}
