import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { DomainError } from '../errors.js';
import { mostOfCommand } from '../limits.js';

/**
 * Keywords that take time in proportion to the size of the schema times that of the payload. `pattern` and `format` may take exponential time,
 * `$ref` makes a small schema a large one, and `uniqueItems` compares each item with each.
 */
const ofNumbers = ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'];
const ofSizes = ['minLength', 'maxLength', 'minItems', 'maxItems', 'minProperties', 'maxProperties'];
const ofWords = ['type', 'enum', 'const', 'required', 'dependentRequired', ...ofNumbers, ...ofSizes];
const notes = ['$schema', '$comment', 'title', 'description', 'default', 'examples', 'deprecated'];
const plain: ReadonlySet<string> = new Set([...ofWords, ...notes]);
const single: ReadonlySet<string> = new Set([
  'items',
  'contains',
  'additionalProperties',
  'propertyNames',
  'not',
  'if',
  'then',
  'else',
]);
const listed: ReadonlySet<string> = new Set(['prefixItems', 'allOf', 'anyOf', 'oneOf']);
const draft = 'https://json-schema.org/draft/2020-12/schema';

/** Judges payloads: undefined for one that fits, else what is wrong with it. */
export type Judge = (payload: unknown) => string | undefined;

/** Whether a value is nested so deep at most. Takes time in proportion to its size. */
export function isShallow(value: unknown, most: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return most > 0 && Object.values(value).every((each) => isShallow(each, most - 1));
}

/**
 * Reads a JSON Schema for payloads.
 * @throws DomainError `invalid-request` for one that is none, is too large, or has keywords whose time is not bounded
 */
export function compileSchema(schema: unknown): Judge {
  if (!isShallow(schema, mostOfCommand.schemaDepth))
    throw bad(`may be nested ${mostOfCommand.schemaDepth} deep at most`);
  if (Buffer.byteLength(JSON.stringify(schema ?? null)) > mostOfCommand.schema)
    throw bad(`may have ${mostOfCommand.schema} octets at most, written as JSON`);
  requireBounded(schema, 'schema', { left: mostOfCommand.schemaNodes });
  return judgeOf(compiled(schema as object));
}

function compiled(schema: object | boolean): ValidateFunction {
  const ajv = new Ajv2020({ strict: false, allErrors: false, validateFormats: false, logger: false });
  try {
    return ajv.compile(schema);
  } catch (error) {
    throw bad((error as Error).message.slice(0, 500));
  }
}

function judgeOf(validate: ValidateFunction): Judge {
  return (payload) => {
    if (validate(payload)) return undefined;
    const [first] = validate.errors ?? [];
    return `payload${(first?.instancePath ?? '').slice(0, 200)} ${first?.message ?? 'does not fit'}`;
  };
}

type Count = { left: number };

function requireBounded(schema: unknown, where: string, count: Count): void {
  if (typeof schema === 'boolean') return;
  if (--count.left < 0) throw bad(`may have ${mostOfCommand.schemaNodes} parts at most`);
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema))
    throw bad(`${where} must be an object or a boolean`);
  for (const [keyword, value] of Object.entries(schema)) requireKeyword(keyword, value, `${where}.${keyword}`, count);
}

function requireKeyword(keyword: string, value: unknown, where: string, count: Count): void {
  if (keyword === '$schema' && value !== draft) throw bad(`${where} must be ${draft}, or be left out`);
  if (plain.has(keyword)) return;
  if (single.has(keyword)) return requireBounded(value, where, count);
  if (listed.has(keyword)) return requireEach(Array.isArray(value) ? value : [undefined], where, count);
  if (keyword === 'properties' || keyword === 'dependentSchemas') {
    if (typeof value !== 'object' || value === null) throw bad(`${where} must be an object`);
    return requireEach(Object.values(value), where, count);
  }
  throw bad(`${where} is not a keyword that Thingward reads: docs/gateway.md lists those`);
}

function requireEach(schemas: readonly unknown[], where: string, count: Count): void {
  for (const each of schemas) requireBounded(each, where, count);
}

function bad(why: string): DomainError {
  return new DomainError('invalid-request', `schema: ${why}`);
}
