import { Ajv, type ValidateFunction } from 'ajv';
import { z } from 'zod';

// Lengths count UTF-16 units: the limits are bounds on work, and counting code points walks every token.
const ajv = new Ajv({ strict: false, allErrors: false, validateFormats: false, unicode: false, logger: false });

type JsonSchema = { [member: string]: unknown; anyOf?: JsonSchema[]; required?: string[] };

/**
 * Compiles a zod schema to a validator of JSON Schema, for the routes that are asked most: several times quicker
 * than zod itself. Only for schemas that JSON Schema says in full: no transforms, defaults or refinements.
 */
export function compileSchema({ schema }: { schema: unknown }): ValidateFunction {
  const shape = z.toJSONSchema(schema as z.ZodType, { io: 'input', target: 'draft-7' }) as JsonSchema;
  const exact = ajv.compile(shape);
  const quick = ajv.compile(chosen(shape));
  // What the quick one takes, one of the forms took; of the rest, the exact one says whether and why.
  const validate = (value: unknown): boolean => {
    if (quick(value)) return true;
    const isValid = exact(value);
    compiled.errors = exact.errors;
    return isValid;
  };
  const compiled = Object.assign(validate, { errors: exact.errors });
  return compiled as ValidateFunction;
}

/**
 * The same schema, with each choice made by the members that a form requires, those that require most first: a choice
 * that is tried form by form makes an error for each form before the right one.
 */
function chosen(schema: JsonSchema): JsonSchema {
  const { anyOf: forms, ...rest } = mapMembers(schema);
  if (!forms) return rest;
  const isByMembers = forms.every(({ required = [] }) => required.length > 0);
  return isByMembers ? { ...rest, ...choiceOf(forms.toSorted(byRequired)) } : { ...rest, anyOf: forms };
}

function byRequired({ required: one = [] }: JsonSchema, { required: other = [] }: JsonSchema): number {
  return other.length - one.length;
}

function choiceOf([first, ...others]: JsonSchema[]): JsonSchema {
  if (others.length === 0) return first!;
  return { if: { required: first!.required }, then: first, else: choiceOf(others) };
}

/** A schema with every schema inside of it chosen. */
function mapMembers(schema: JsonSchema): JsonSchema {
  const inner = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(inner);
    return typeof value === 'object' && value !== null ? chosen(value as JsonSchema) : value;
  };
  return Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, inner(value)]));
}
