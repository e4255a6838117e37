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
  default?: unknown;
  description?: string;
  minimum?: number;
  maximum?: number;
  minItems?: number;
  maxItems?: number;
  maxLength?: number;
  format?: string;
};

/** The values that a schema admits, in a few words. */
export function valuesOf(shape: Shape): string {
  const { type, enum: values, const: only, anyOf, oneOf, items, minimum, maximum, maxItems, maxLength, format } = shape;
  const several = anyOf ?? oneOf;
  if (shape.$ref !== undefined) return shape.$ref.split('/').at(-1)!;
  if (values) return values.map((value) => `\`${String(value)}\``).join(', ');
  if (only !== undefined) return `\`${String(only)}\``;
  if (several) return [...new Set(several.map(valuesOf))].join(' or ');
  if (type === 'integer' || type === 'number') return rangeOf(minimum, maximum);
  if (type === 'boolean') return '`true`, `false`';
  if (type === 'array')
    return `a list${maxItems === undefined ? '' : ` of at most ${maxItems}`}${items?.enum ? ` of ${valuesOf(items)}` : ''}`;
  if (type === 'object') return 'an object';
  if (format === 'uri') return 'a URL';
  return maxLength === undefined ? 'text' : `text of at most ${maxLength} characters`;
}

function rangeOf(least = Number.MIN_SAFE_INTEGER, most = Number.MAX_SAFE_INTEGER): string {
  if (least === Number.MIN_SAFE_INTEGER) return 'a number';
  if (most === Number.MAX_SAFE_INTEGER) return `${least} or more`;
  return `${least} to ${most}`;
}
