import { parse } from 'yaml';
import { beforeAll, describe, expect, it } from 'vitest';
import { publish } from '../../../src/api/api-document.js';
import { describeApi } from '../../support/openapi.js';

type Schema = { [keyword: string]: unknown };
type Parameter = { name: string; description?: string; schema: Schema; example?: unknown };
type Media = { schema?: Schema; example?: unknown };
type Answer = { $ref?: string; description?: string; content?: Record<string, Media> };
type Operation = {
  operationId?: string;
  summary?: string;
  description?: string;
  tags?: string[];
  security?: object[];
  parameters?: Parameter[];
  requestBody?: { content: Record<string, Media> };
  responses: Record<string, Answer>;
};
type Document = {
  tags: { name: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema>; responses: Record<string, Answer> };
};

let text: string;
let api: Document;
let operations: [string, Operation][];

beforeAll(async () => {
  text = await describeApi();
  api = parse(text, { version: '1.1' }) as Document;
  operations = Object.entries(api.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]): [string, Operation] => [`${method} ${path}`, operation]),
  );
}, 120_000);

/** Every schema inside one, with its place; references are not followed. */
function* schemasIn(schema: Schema, place: string): Generator<[string, Schema]> {
  yield [place, schema];
  for (const [name, member] of Object.entries((schema['properties'] ?? {}) as Record<string, Schema>))
    yield* schemasIn(member, `${place}.${name}`);
  for (const keyword of ['items', 'additionalProperties', 'propertyNames', 'not'])
    if (typeof schema[keyword] === 'object') yield* schemasIn(schema[keyword] as Schema, `${place}/${keyword}`);
  for (const keyword of ['anyOf', 'oneOf', 'allOf'])
    for (const each of (schema[keyword] ?? []) as Schema[]) yield* schemasIn(each, `${place}/${keyword}`);
}

const named = (): [string, Schema][] => Object.entries(api.components.schemas);
const everySchema = (): [string, Schema][] => named().flatMap(([name, schema]) => [...schemasIn(schema, name)]);
const isObjectOrChoice = ({ properties, anyOf = [] }: Schema): boolean =>
  properties !== undefined || (anyOf as Schema[]).some((each) => each['$ref'] && !(anyOf as Schema[]).some(isNull));
const oauth = /^post \/v1\/(token|token\/revoke|introspect)$/;
const refusalOf = (place: string): string => (oauth.test(place) ? 'OAuthError' : 'Problem');
const isNull = ({ type }: Schema): boolean => type === 'null';

describe('openapi.yaml', () => {
  it('gives every operation a name of verb and noun, a summary, a known tag, and says what it needs', () => {
    const verbs =
      /^(accept|acknowledge|add|approve|authorize|activate|cancel|claim|confirm|create|delete|deny|end|evaluate|export|find|finish|get|introspect|lint|list|open|pause|provision|query|reenroll|release|remove|renew|report|request|resume|retire|retry|revoke|search|set|simulate|start|stream|suspend|test|update)[A-Z][A-Za-z]+$/;
    const known = api.tags.map(({ name }) => name);
    for (const [place, { operationId, summary, description, tags, security }] of operations) {
      expect(operationId, place).toMatch(verbs);
      expect(summary, place).toMatch(/^\S.*[^.]$/);
      expect(description, place).toMatch(/Needs /);
      expect(security, place).toBeDefined();
      for (const tag of tags ?? ['none']) expect(known, place).toContain(tag);
    }
    const ids = operations.map(([, { operationId }]) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('says of every operation what it answers, and that any problem may come instead', () => {
    for (const [place, { responses }] of operations) {
      const answers = Object.entries(responses).filter(([status]) => /^(?:101|[23]\d\d)$/.test(status));
      expect(answers, place).not.toEqual([]);
      for (const [status, { description, content = {} }] of answers) {
        expect(description, `${place} ${status}`).toMatch(/^(?!Default)\S/);
        const ofJson = Object.entries(content).filter(([type]) => /[/+]json$/.test(type));
        for (const [, { schema }] of ofJson) expect(schema, `${place} ${status}`).toHaveProperty('$ref');
      }
      for (const status of ['4XX', 'default'])
        expect(responses[status], place).toEqual({ $ref: `#/components/responses/${refusalOf(place)}` });
    }
    const { content } = api.components.responses['Problem']!;
    expect(content!['application/problem+json']!.schema).toEqual({ $ref: '#/components/schemas/Problem' });
    expect(text.match(/RFC 9457\)\n/g)!.length).toBeLessThan(4);
  });

  it('has one kind of body for an operation, with a name and an example', () => {
    for (const [place, { requestBody }] of operations) {
      if (!requestBody) continue;
      expect(Object.keys(requestBody.content), place).toHaveLength(1);
      const [type, { schema, example }] = Object.entries(requestBody.content)[0]!;
      if (['application/ocsp-request', 'application/x-ndjson'].includes(type)) continue;
      expect(schema, place).toEqual({ $ref: expect.stringMatching(/^#\/components\/schemas\/\w+$/) as string });
      expect(example, place).toBeTypeOf('object');
    }
  });

  it('describes every parameter and every member', () => {
    for (const [place, { parameters = [] }] of operations)
      for (const { name, description } of parameters) expect(description, `${place} ${name}`).toMatch(/^\S/);
    for (const [name, schema] of named()) expect(schema['description'], name).toMatch(/^\S/);
    for (const [place, { properties = {} }] of everySchema()) {
      for (const [name, { description, $ref }] of Object.entries(properties as Record<string, Schema>))
        expect(description ?? $ref, `${place}.${name}`).toBeTypeOf('string');
    }
  });

  it('names every object and every choice of objects', () => {
    for (const [place, schema] of everySchema())
      if (isObjectOrChoice(schema)) expect(Object.keys(api.components.schemas), place).toContain(place);
  });

  it('shows something that fits wherever a pattern stands, so that no page makes it up', () => {
    const stands = everySchema();
    for (const [place, { parameters = [] }] of operations)
      for (const { name, schema, example } of parameters)
        stands.push([`${place} ${name}`, example === undefined ? schema : { ...schema, examples: [example] }]);
    const patterned = stands.filter(([, { pattern }]) => pattern !== undefined);
    expect(patterned.length).toBeGreaterThan(30);
    for (const [place, { pattern, examples }] of patterned)
      for (const example of (examples ?? [undefined]) as unknown[])
        expect(example, place).toMatch(new RegExp(pattern as string, 'u'));
  });

  it('has nothing that generators of clients fail on', () => {
    for (const path of Object.keys(api.paths)) expect(path).toMatch(/^\/(?!.*[*:])/);
    for (const [place, schema] of everySchema()) {
      if (typeof schema['default'] === 'object') expect(schema['default'], place).toBeInstanceOf(Array);
      expect(schema['pattern'] ?? '', place).not.toMatch(/\\[pu]|\(\?/);
    }
    // To YAML 1.1, off is a boolean and a date is no text: both have to be quoted.
    expect(text).not.toMatch(/^\s*(- |\w+: )(off|on|yes|no|\d{4}-\d\d-\d\d\S*)$/m);
  });

  it('refuses two schemas of one name', () => {
    const answer = (type: string) => ({ content: { 'application/json': { schema: { title: 'Same', type } } } });
    const paths = { '/a': { get: { responses: { 200: answer('string'), 201: answer('integer') } } } };
    expect(() => publish({ paths })).toThrow('Same');
  });
});
