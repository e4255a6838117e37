import { charge, createEquals, keysOf, schemaBudget, type Budget } from './json-budget.js';

/** Something in a schema that is not taken, and where. */
export type SchemaFault = { at: (string | number)[]; message: string };

/** Whether a value is as a schema says. What the budget does not suffice for is not. */
export type Judge = (value: unknown, budget?: Budget) => boolean;

type Test = (value: unknown, budget: Budget) => boolean;
type Schema = Record<string, unknown>;
type Reading = { faults: SchemaFault[]; nodes: number };

const mostNodes = 500;
const mostLevels = 16;
const mostFaults = 20;
const mostNames = 200;
const remarks = new Set([
  '$schema',
  '$id',
  '$comment',
  'title',
  'description',
  'examples',
  'default',
  'format',
  'deprecated',
]);
const kinds: Record<string, (value: unknown) => boolean> = {
  null: (value) => value === null,
  boolean: (value) => typeof value === 'boolean',
  number: (value) => typeof value === 'number' && Number.isFinite(value),
  integer: (value) => Number.isInteger(value),
  string: (value) => typeof value === 'string',
  array: Array.isArray,
  object: isObject,
};

/** Reads a JSON Schema without `pattern` and `$ref`. What it does not know is a fault: it would hold nothing. */
export function readSchema(schema: unknown): { judge: Judge; faults: SchemaFault[] } {
  const reading: Reading = { faults: [], nodes: 0 };
  const test = testOf(schema, [], reading);
  return { judge: (value, budget = schemaBudget()) => test(value, budget), faults: reading.faults };
}

function testOf(schema: unknown, at: SchemaFault['at'], reading: Reading): Test {
  const refuse = (message: string, ...more: SchemaFault['at']): Test => {
    if (reading.faults.length < mostFaults) reading.faults.push({ at: [...at, ...more], message });
    return () => false;
  };
  if (typeof schema === 'boolean') return () => schema;
  if (!isObject(schema)) return refuse('must be a schema: an object, true or false');
  if (++reading.nodes > mostNodes) return refuse(`has more than ${mostNodes} schemas`);
  if (at.length > 2 * mostLevels) return refuse(`has more than ${mostLevels} levels`);
  const tests: Test[] = [];
  for (const [keyword, value] of Object.entries(schema)) {
    if (remarks.has(keyword)) continue;
    const make = Object.hasOwn(keywords, keyword) ? keywords[keyword] : undefined;
    const sub = (inner: unknown, ...more: SchemaFault['at']): Test => testOf(inner, [...at, keyword, ...more], reading);
    const made = make?.(value, sub, schema);
    if (!make)
      refuse(
        keyword === 'pattern' || keyword === 'patternProperties'
          ? 'expressions are not taken: use enum, minLength and maxLength'
          : 'is not a keyword that is understood here',
        keyword,
      );
    else if (!made) refuse('has a value of another form', keyword);
    else tests.push(made);
  }
  return (value, budget) => {
    for (const test of tests) {
      if (--budget.left < 0 || !test(value, budget)) return false;
    }
    return true;
  };
}

type Keyword = (
  value: unknown,
  sub: (inner: unknown, ...at: SchemaFault['at']) => Test,
  schema: Schema,
) => Test | undefined;

const keywords: Record<string, Keyword> = {
  type: (value) => {
    const names = Array.isArray(value) ? (value as unknown[]) : [value];
    const tests = names.map((name) =>
      typeof name === 'string' && Object.hasOwn(kinds, name) ? kinds[name] : undefined,
    );
    if (tests.length === 0 || tests.length > 7 || !tests.every((test) => test !== undefined)) return undefined;
    return (is) => tests.some((test) => test(is));
  },
  enum: (value) => (isShortList(value) ? createEquals(value) : undefined),
  const: (value) => createEquals([value]),
  properties: (value, sub) => {
    if (!isObject(value) || Object.keys(value).length > mostNames) return undefined;
    const members = Object.entries(value).map(([name, inner]) => [name, sub(inner, name)] as const);
    return (is, budget) =>
      !isObject(is) ||
      (charge(budget, members.length / namesAtOnce) &&
        members.every(([name, test]) => !Object.hasOwn(is, name) || test(is[name], budget)));
  },
  required: (value) => {
    if (!isShortList(value) || !value.every((name) => typeof name === 'string')) return undefined;
    return (is, budget) =>
      !isObject(is) || (charge(budget, value.length / namesAtOnce) && value.every((name) => Object.hasOwn(is, name)));
  },
  additionalProperties: (value, sub, schema) => {
    const known = new Set(isObject(schema['properties']) ? Object.keys(schema['properties']) : []);
    const test = sub(value);
    return (is, budget) =>
      !isObject(is) ||
      (keysOf(is, budget)?.every((name) => known.has(name) || (charge(budget, 1) && test(is[name], budget))) ?? false);
  },
  items: (value, sub) => {
    const test = sub(value);
    return (is, budget) => !Array.isArray(is) || is.every((each) => --budget.left >= 0 && test(each, budget));
  },
  allOf: (value, sub) => branches(value, sub, (tests) => (is, budget) => tests.every((test) => test(is, budget))),
  anyOf: (value, sub) => branches(value, sub, (tests) => (is, budget) => tests.some((test) => test(is, budget))),
  oneOf: (value, sub) =>
    branches(value, sub, (tests) => (is, budget) => tests.filter((test) => test(is, budget)).length === 1),
  not: (value, sub) => {
    const test = sub(value);
    // What was not looked at to its end is not the opposite of anything.
    return (is, budget) => !test(is, budget) && budget.left >= 0;
  },
  minimum: (value) => bound(value, (is, limit) => is >= limit),
  maximum: (value) => bound(value, (is, limit) => is <= limit),
  exclusiveMinimum: (value) => bound(value, (is, limit) => is > limit),
  exclusiveMaximum: (value) => bound(value, (is, limit) => is < limit),
  minLength: (value) => size(value, lengthOf, true),
  maxLength: (value) => size(value, lengthOf, false),
  minItems: (value) => size(value, (is) => (Array.isArray(is) ? is.length : undefined), true),
  maxItems: (value) => size(value, (is) => (Array.isArray(is) ? is.length : undefined), false),
  minProperties: (value) => size(value, membersOf, true),
  maxProperties: (value) => size(value, membersOf, false),
};
// What costs as much as one test.
const namesAtOnce = 4;
const lettersAtOnce = 8;

function branches(
  value: unknown,
  sub: (inner: unknown, ...at: SchemaFault['at']) => Test,
  join: (tests: Test[]) => Test,
): Test | undefined {
  return isShortList(value) && value.length > 0 ? join(value.map((inner, index) => sub(inner, index))) : undefined;
}

function bound(value: unknown, holds: (is: number, limit: number) => boolean): Test | undefined {
  if (typeof value !== 'number') return undefined;
  return (is) => typeof is !== 'number' || holds(is, value);
}

type SizeOf = (is: unknown, budget: Budget) => number | undefined;

function size(value: unknown, sizeOf: SizeOf, least: boolean): Test | undefined {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) return undefined;
  return (is, budget) => {
    const own = sizeOf(is, budget);
    return own === undefined || (budget.left >= 0 && (least ? own >= value : own <= value));
  };
}

/** In code points, as JSON Schema counts. */
function lengthOf(text: unknown, budget: Budget): number | undefined {
  if (typeof text !== 'string') return undefined;
  if (!charge(budget, text.length / lettersAtOnce)) return 0;
  let length = 0;
  for (const _ of text) length++;
  return length;
}

function membersOf(value: unknown, budget: Budget): number | undefined {
  return isObject(value) ? (keysOf(value, budget)?.length ?? 0) : undefined;
}

function isShortList(value: unknown): value is unknown[] {
  return Array.isArray(value) && value.length <= mostNames;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}
