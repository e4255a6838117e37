import { aboutKey } from './named.js';

/** What a JSON document is made of. */
type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
type JsonObject = { [name: string]: Json };

type Side = 'input' | 'output';

/** A document, as far as it is read here. */
export type ApiDocument = {
  paths?: Record<string, unknown> | undefined;
  components?: { schemas?: Record<string, unknown> | undefined } | undefined;
};

/**
 * The document with every named schema under `components`, and a reference where it is used. A schema that is read in
 * another form than it is written, because members have defaults, has its name with `Input` there.
 * @throws Error if two schemas have one name
 */
export function publish<Document extends ApiDocument>(document: Document): Document {
  const plain = JSON.parse(JSON.stringify(document)) as { paths: JsonObject };
  const names = createNames();
  // Answers first: their schemas keep the names, and those of requests follow where they differ.
  const answered = mapOperations(plain.paths, (operation) => ({
    ...operation,
    responses: names.hoist(operation['responses']!, 'output'),
  }));
  const paths = mapOperations(answered, (operation) => complete(names.hoist(operation, 'input') as JsonObject));
  const schemas = { ...document.components?.schemas, ...names.schemas() };
  const components = { ...document.components, schemas, responses: { Problem: refusal, OAuthError: oauthRefusal } };
  return { ...document, components, paths };
}

const refusal = {
  description: 'A problem document (RFC 9457)',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
};
const oauthRefusal = {
  description: 'A failure in the words of OAuth (RFC 6749)',
  content: { 'application/json': { schema: { $ref: '#/components/schemas/OAuthError' } } },
};
const refusals = (as: Json | undefined) => {
  const $ref = `#/components/responses/${as === 'oauth' ? 'OAuthError' : 'Problem'}`;
  return { '4XX': { $ref }, default: { $ref } };
};
const meanings: Record<string, string> = {
  '200': 'Done',
  '201': 'Created',
  '202': 'Accepted: it continues in the background',
  '204': 'Done; there is nothing to say',
  '302': 'Go on there',
  '303': 'Go on there',
};

const idempotencyKey = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description: 'A request that is repeated with this key within 24 hours gets the first answer, if that was 2xx',
  schema: { type: 'string', minLength: 22, maxLength: 200 },
  example: '0f8fad5b-d9cb-469f-a165-70867728950e',
};

const ifMatch = {
  name: 'If-Match',
  in: 'header',
  required: false,
  description: 'Change the object only if its ETag is still one of these; 412 otherwise',
  schema: { type: 'string', maxLength: 1024 },
  example: '"n4bQgYhMfWWaL-qgxVrQFa"',
};

type Media = { type: string; about: string; protocol?: string };

/** An operation that says what it answers, whatever it answers, and that any problem may come instead. */
function complete({
  'x-sends': sends,
  'x-takes': takes,
  'x-keeps-answers': keeps,
  'x-conditional': conditional,
  'x-refuses-as': refusesAs,
  requestBody,
  responses,
  parameters = [],
  ...operation
}: JsonObject): JsonObject {
  const answers = sends ? sentBy(sends as Media) : mapValues(responses as JsonObject, withMeaning);
  const body = takes ? { required: true, ...octetsOf(takes as Media) } : requestBody && optionalOf(requestBody as Body);
  const heads = [...(parameters as Json[]), ...(keeps ? [idempotencyKey] : []), ...(conditional ? [ifMatch] : [])];
  return {
    ...operation,
    ...(heads.length > 0 ? { parameters: heads } : {}),
    ...(body ? { requestBody: body } : {}),
    responses: { ...answers, ...refusals(refusesAs) },
  };
}

/** What a route sends is an answer, or what another protocol carries. */
function sentBy(sends: Media): JsonObject {
  return sends.protocol === undefined ? { '200': octetsOf(sends) } : { '101': { description: sends.about } };
}

function octetsOf({ type, about }: Media): JsonObject {
  return { description: about, content: { [type]: { schema: { type: 'string', format: 'binary' } } } };
}

function withMeaning(answer: Json, status: string): Json {
  const { description, ...rest } = answer as JsonObject;
  const said = description === 'Default Response' ? meanings[status]! : description!;
  return { description: said, ...rest };
}

type Body = { content: Record<string, { schema: JsonObject }> };

/** A body that may be null may be left out: few generators know null. */
function optionalOf({ content, ...body }: Body): JsonObject {
  const [type, { schema, ...media }] = Object.entries(content)[0]!;
  const choices = schema['anyOf'] as JsonObject[] | undefined;
  const isOptional = choices?.some((choice) => choice['type'] === 'null');
  if (!choices || !isOptional) return { ...body, content };
  const [only] = choices.filter((choice) => choice['type'] !== 'null');
  return { ...body, required: false, content: { [type]: { schema: only!, ...media } } };
}

function mapOperations(paths: JsonObject, change: (operation: JsonObject) => JsonObject): JsonObject {
  return mapValues(paths, (item) => mapValues(item as JsonObject, (operation) => change(operation as JsonObject)));
}

/** The schemas that were found so far, by name. */
function createNames() {
  const found = new Map<string, string>();

  const nameFor = (title: string, schema: JsonObject, side: Side): string => {
    const text = JSON.stringify(schema);
    const candidates = side === 'input' ? [title, `${title}Input`] : [title];
    const name = candidates.find((each) => !found.has(each) || found.get(each) === text);
    if (name === undefined) throw new Error(`two schemas of the API are called ${title}: give one another name`);
    found.set(name, text);
    return name;
  };

  const hoistMembers = (members: JsonObject, side: Side): JsonObject => mapValues(members, (each) => hoist(each, side));

  const hoist = (value: Json, side: Side): Json => {
    if (Array.isArray(value)) return value.map((each) => hoist(each, side));
    if (value === null || typeof value !== 'object') return value;
    const {
      title,
      [aboutKey]: about,
      ...rest
    } = mapValues(value, (each, name) => {
      if (['examples', 'example', 'default'].includes(name)) return each;
      return name === 'properties' ? hoistMembers(each as JsonObject, side) : hoist(each, side);
    });
    const schema = readable(rest, side);
    if (typeof title !== 'string') return title === undefined ? schema : { title, ...schema };
    // An example of a body stands beside its schema.
    if (schema['properties'] || schema['anyOf'] || schema['enum']) delete schema['examples'];
    const { description: said, ...kept } = schema;
    const own = about ?? said;
    const name = nameFor(title, { ...kept, ...(own === undefined ? {} : { description: own }) }, side);
    const $ref = `#/components/schemas/${name}`;
    return said === undefined || said === own ? { $ref } : { $ref, description: said };
  };

  return {
    hoist,
    /** In the order of their names. */
    schemas: (): Record<string, unknown> =>
      Object.fromEntries(
        [...found.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, text]) => [name, JSON.parse(text)]),
      ),
  };
}

const largestSafe = 2 ** 53 - 1;

/** A schema that other people's programs read: what they cannot compile says nothing that they need. */
function readable(schema: JsonObject, side: Side): JsonObject {
  const { additionalProperties: others, pattern, format, default: preset, minimum, maximum, ...rest } = schema;
  const isSaid = typeof format === 'string' && ['byte', 'date-time', 'uuid'].includes(format);
  return {
    ...rest,
    // Later versions answer more.
    ...saidUnless(others === false && side === 'output', { additionalProperties: others }),
    ...saidUnless(false, { format }),
    // A format says the same. Not every engine knows classes of Unicode.
    ...saidUnless(isSaid || isForeign(pattern), { pattern }),
    // Go and Java have no literal for an object.
    ...saidUnless(isObject(preset), { default: preset }),
    ...saidUnless(minimum === -largestSafe, { minimum }),
    ...saidUnless(maximum === largestSafe, { maximum }),
  };
}

/** The one member of an object, if it has a value and nothing speaks against it. */
function saidUnless(isOut: boolean, member: { [name: string]: Json | undefined }): JsonObject {
  return isOut || Object.values(member)[0] === undefined ? {} : (member as JsonObject);
}

const isForeign = (pattern: Json | undefined): boolean => typeof pattern === 'string' && /\\p\{|\\u/.test(pattern);
const isObject = (value: Json | undefined): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function mapValues(object: JsonObject, change: (value: Json, name: string) => Json): JsonObject {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [name, change(value, name)]));
}
