/** What is read of a JSON schema here. */
export type Shape = {
  $ref?: string;
  type?: string;
  const?: unknown;
  enum?: unknown[];
  anyOf?: Shape[];
  oneOf?: Shape[];
  items?: Shape;
  properties?: Record<string, Shape>;
  required?: string[];
  default?: string | number | boolean;
  description?: string;
  minimum?: number;
  maximum?: number;
  minItems?: number;
  maxItems?: number;
  maxLength?: number;
  format?: string;
};

type Scalar = string | number | boolean;

const quoted = (values: readonly unknown[]): string => values.map((value) => `\`${value as Scalar}\``).join(', ');

/** The values that a schema admits, in a few words. */
export function valuesOf(shape: Shape): string {
  const { $ref, enum: values, const: only, anyOf, oneOf } = shape;
  if ($ref !== undefined) return $ref.split('/').at(-1)!;
  if (values) return quoted(values);
  if (only !== undefined) return quoted([only]);
  const several = anyOf ?? oneOf;
  return several ? [...new Set(several.map(valuesOf))].join(' or ') : ofType(shape);
}

const plainTypes: Partial<Record<string, string>> = { boolean: quoted([true, false]), object: 'an object' };

function ofType({ type, items, minimum, maximum, maxItems, maxLength, format }: Shape): string {
  if (type === 'integer' || type === 'number') return rangeOf(minimum, maximum);
  if (type === 'array')
    return `a list${maxItems === undefined ? '' : ` of at most ${maxItems}`}${items?.enum ? ` of ${valuesOf(items)}` : ''}`;
  const plain = plainTypes[type ?? ''];
  if (plain !== undefined) return plain;
  if (format === 'uri') return 'a URL';
  return maxLength === undefined ? 'text' : `text of at most ${maxLength} characters`;
}

function rangeOf(least = Number.MIN_SAFE_INTEGER, most = Number.MAX_SAFE_INTEGER): string {
  if (least === Number.MIN_SAFE_INTEGER) return 'a number';
  if (most === Number.MAX_SAFE_INTEGER) return `${least} or more`;
  return `${least} to ${most}`;
}
