import { parse } from 'yaml';
import { permissions, permissionsOfRole, roles } from '../../src/access/permissions.js';
import { code, formatted, table } from './markdown.js';
import { reasons } from './reasons.js';
import { valuesOf, type Shape } from './shapes.js';

const path = 'docs/reference.md';

type Api = { components: { schemas: Record<string, Shape> } };

/** docs/reference.md, from the schemas of the API and the tables of roles and reasons. */
export function referencePaper(openapi: string): Promise<string> {
  const { schemas } = (parse(openapi) as Api).components;
  return formatted(path, [beginning, reasonsPart(), rolesPart(), ...schemaParts(schemas)].join('\n\n'));
}

const beginning = `# Reference

<!-- Made by \`npm run papers\` from the schemas of the API: change those, not this file. -->

Tables to look things up in. \`/docs\` on a running server has every route; this page has what people look for most.`;

function reasonsPart(): string {
  const rows = Object.entries(reasons).map(([name, { meaning, next }]) => [code(name), meaning, next]);
  return `## Reasons of a decision

\`reasons\` of \`POST /v1/authorize\` holds the id of the statement that decided, or one of these. They are checked in this order: principal, token, binding,
certificate, thing, segment, statements that deny, statements that allow. The first that refuses is the reason.

${table(['reason', 'meaning', 'what to do'], rows)}`;
}

function rolesPart(): string {
  const rows = permissions.map((permission) => [
    code(permission),
    ...roles.map((role) => (permissionsOfRole(role, 'default').includes(permission) ? 'yes' : '')),
  ]);
  return `## Roles and permissions

What each role may do, of keys and of people. \`accounts:write\` belongs to the owner of \`default\` alone. [permissions.md](permissions.md) says what each permission allows.

${table(['permission', ...roles.map(code)], rows)}`;
}

/** What a section shows of a schema: all of its members, or some. */
type Section = { title: string; schema: string; about: string; only?: string[] };

const sections: Section[] = [
  {
    title: 'Flags of an API key',
    schema: 'NewApiKey',
    about:
      'Members of `POST /v1/api-keys`. A flag is a promise of the program that holds the key, and changes what its questions are answered.',
  },
  {
    title: 'Enrollments',
    schema: 'NewEnrollment',
    about:
      'Members of `POST /v1/enrollments`. `deviceAttributes` lists the attributes that a device may set itself at its first boot; it can set no other, because attributes decide rights.',
  },
  {
    title: 'First boot, and keys made by the server',
    schema: 'ProvisionRequest',
    about:
      'Members of `POST /v1/provision`. Without `csr` the server makes the key and sends it once, as PEM or, with `format: pkcs12` and a `password`, as a PKCS #12 file.',
  },
  {
    title: 'Questions, and `atLeast`',
    schema: 'AuthorizeRequest',
    about:
      'Members of `POST /v1/authorize`. With `atLeast`, the `cursor` of an earlier answer or entry, the answer knows of everything up to there: at most 250 ms are waited, then it is 503 `not-ready`.',
  },
  { title: 'Context of a question', schema: 'QuestionContext', about: 'Members of `context`.' },
  {
    title: 'Answers, and `limits`',
    schema: 'Decision',
    about:
      'Members of the answer. `limits` is the traffic policy of the segment of the thing, for the proxy to enforce.',
  },
  {
    title: 'Traffic policy',
    schema: 'TrafficPolicy',
    about: 'Members of `limits`, and of `trafficPolicy` of a segment.',
  },
];

function schemaParts(schemas: Record<string, Shape>): string[] {
  return sections.map(({ title, schema, about }) => {
    const shape = schemas[schema];
    if (!shape?.properties) throw new Error(`openapi.yaml has no schema ${schema} with members`);
    const rows = Object.entries(shape.properties).map(([name, member]) => [
      code(name),
      shape.required?.includes(name) ? 'yes' : '',
      valuesOf(member),
      describe(member, schemas),
    ]);
    return `## ${title}\n\n${about}\n\n${table(['member', 'required', 'values', 'meaning'], rows)}`;
  });
}

/** What a member says of itself, or the schema that it stands for. */
function describe({ description, $ref, default: value }: Shape, schemas: Record<string, Shape>): string {
  const text = description ?? schemas[$ref?.split('/').at(-1) ?? '']?.description ?? '';
  return value === undefined ? text : `${text}. Default \`${JSON.stringify(value)}\``;
}
