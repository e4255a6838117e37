/** A JSON Schema as openapi.yaml has them. */
export type Schema = {
  $ref?: string;
  type?: string | string[];
  const?: unknown;
  enum?: unknown[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: Schema | boolean;
  propertyNames?: Schema;
  items?: Schema;
  minItems?: number;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  pattern?: string;
  format?: string;
};

type Parameter = { name: string; schema: Schema; required: boolean };

/** What may be asked of the server: a method and a path, what they take, and of whom. */
export type Operation = {
  /** `POST /v1/things/{name}` */
  name: string;
  method: string;
  path: string;
  params: Parameter[];
  queries: Parameter[];
  bodies: { type: string; schema: Schema }[];
  access: 'apiKey' | 'enrollmentToken' | 'accessToken' | 'public';
};

type Document = {
  paths: Record<string, Record<string, Described>>;
  components?: { schemas?: Record<string, Schema> };
};
type Described = {
  parameters?: { in: string; name: string; required?: boolean; schema: Schema }[];
  requestBody?: { content: Record<string, { schema?: Schema }> };
  security?: Record<string, unknown>[];
};

/** Every operation of an OpenAPI document, in its order, with references resolved. */
export function operationsOf(document: Document): Operation[] {
  const schemas = document.components?.schemas ?? {};
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, described]) => operationOf(path, method, described, schemas)),
  );
}

function operationOf(path: string, method: string, described: Described, schemas: Record<string, Schema>): Operation {
  const parametersIn = (place: string): Parameter[] =>
    (described.parameters ?? [])
      .filter((each) => each.in === place)
      .map(({ name, schema, required = false }) => ({ name, required, schema: resolve(schema, schemas, 0) }));
  return {
    name: `${method.toUpperCase()} ${path}`,
    method: method.toUpperCase(),
    path,
    params: parametersIn('path'),
    queries: parametersIn('query'),
    bodies: Object.entries(described.requestBody?.content ?? {}).map(([type, { schema }]) => ({
      type,
      schema: resolve(schema ?? {}, schemas, 0),
    })),
    access: accessOf(described),
  };
}

function accessOf({ security }: Described): Operation['access'] {
  const [scheme] = Object.keys(security?.[0] ?? {});
  return scheme === 'apiKey' || scheme === 'enrollmentToken' || scheme === 'accessToken' ? scheme : 'public';
}

// Groups and conditions hold themselves: past some depth anything will do.
function resolve(schema: Schema, schemas: Record<string, Schema>, depth: number): Schema {
  if (depth > 12) return {};
  const { $ref, ...rest } = schema;
  if ($ref !== undefined) return resolve(schemas[$ref.split('/').at(-1)!] ?? {}, schemas, depth + 1);
  const inner = (each: Schema) => resolve(each, schemas, depth + 1);
  const all = (each: Schema[]) => each.map(inner);
  const { anyOf, oneOf, allOf, items, properties, additionalProperties } = rest;
  return {
    ...rest,
    ...(anyOf ? { anyOf: all(anyOf) } : {}),
    ...(oneOf ? { oneOf: all(oneOf) } : {}),
    ...(allOf ? { allOf: all(allOf) } : {}),
    ...(items ? { items: inner(items) } : {}),
    ...(properties
      ? { properties: Object.fromEntries(Object.entries(properties).map(([name, each]) => [name, inner(each)])) }
      : {}),
    ...(typeof additionalProperties === 'object' ? { additionalProperties: inner(additionalProperties) } : {}),
  };
}
