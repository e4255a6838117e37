import { z } from 'zod';

type JsonSchema = {
  $ref?: string;
  type?: string | string[];
  const?: unknown;
  enum?: unknown[];
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  allOf?: JsonSchema[];
  properties?: Record<string, JsonSchema>;
  additionalProperties?: JsonSchema | boolean;
  items?: JsonSchema;
};

const droppers = new WeakMap<object, (body: unknown) => unknown>();

/**
 * Takes `null` out of bodies where a schema knows the member and has no use for null: clients whose language has no
 * "absent" write it. Nulls in lists, of members that are not known, and where a schema says null, stay for it to judge.
 * Changes the body in place.
 */
export function nullsDropper(schema: unknown): (body: unknown) => unknown {
  const known = droppers.get(schema as object);
  if (known) return known;
  const shape = z.toJSONSchema(schema as z.ZodType, { io: 'input', unrepresentable: 'any', reused: 'inline' });
  const dropper = (body: unknown): unknown => {
    dropNulls(body, [shape as JsonSchema]);
    return body;
  };
  droppers.set(schema as object, dropper);
  return dropper;
}

function dropNulls(value: unknown, schemas: JsonSchema[]): void {
  const forms = schemas.flatMap(formsOf);
  if (forms.length === 0 || typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    const items = forms.flatMap(({ items: each }) => (each ? [each] : []));
    if (items.length > 0) value.forEach((each) => dropNulls(each, items));
    return;
  }
  const members = value as Record<string, unknown>;
  for (const [name, member] of Object.entries(members)) {
    const known = forms.flatMap((form) => memberSchemas(form, name));
    if (member !== null) dropNulls(member, known);
    else if (known.length > 0 && !known.flatMap(formsOf).some(takesNull)) delete members[name];
  }
}

/** A schema, or those that it is a choice of. */
function formsOf(schema: JsonSchema): JsonSchema[] {
  const choices = schema.anyOf ?? schema.oneOf ?? schema.allOf;
  return choices ? choices.flatMap(formsOf) : [schema];
}

function memberSchemas({ properties, additionalProperties }: JsonSchema, name: string): JsonSchema[] {
  if (properties && Object.hasOwn(properties, name)) return [properties[name]!];
  // What a loose object does not name is anybody's, and stays.
  return typeof additionalProperties === 'object' ? [additionalProperties] : [];
}

function takesNull({ $ref, type, const: only, enum: values, ...rest }: JsonSchema): boolean {
  if (only === null || values?.includes(null)) return true;
  if (type !== undefined) return type === 'null' || (Array.isArray(type) && type.includes('null'));
  // Without a word on types, anything is taken; what refers elsewhere is left to the schema itself.
  return $ref !== undefined || (only === undefined && values === undefined && Object.keys(rest).length === 0);
}
