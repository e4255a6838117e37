import { z } from 'zod';
import { edgeFile } from '../../src/edge/settings/config-shapes.js';
import { operatorVariables } from '../../src/config.js';
import { secretSettings, settings } from '../../src/settings/settings.js';
import { code, formatted, table } from './markdown.js';
import { valuesOf, type Shape } from './shapes.js';

const path = 'docs/configuration.md';
const lax = { io: 'input', unrepresentable: 'any' } as const;

/** docs/configuration.md, from the schemas that the programs read their settings by. */
export function configurationPaper(): Promise<string> {
  return formatted(path, [beginning, serverPart(), operatorPart(), edgePart()].join('\n\n'));
}

const beginning = `# Configuration

<!-- Made by \`npm run papers\` from the schemas of the settings: change those, not this file. -->

Every setting of every program. A value that is not allowed keeps a program from starting, with a line that names it.`;

function serverPart(): string {
  const { properties } = z.toJSONSchema(z.object(settings), { ...lax, io: 'output' }) as Shape;
  const rows = Object.entries(settings).map(([name, schema]) => {
    const fallback = schema.safeParse(undefined);
    const given = fallback.success && fallback.data !== undefined ? String(fallback.data) : '';
    return [code(name), code(given), valuesOf(shapeOf(schema, properties?.[name])), schema.description ?? ''];
  });
  return `## The server and the operator's commands

Environment variables of \`thingward serve\`, and of \`owner-key\`, \`owner-link\`, \`rotate-token-key\` and \`restored\`, which open the same
database. An empty variable counts as not set. [.env.example](../.env.example) has the same to copy.

${table(['setting', 'default', 'values', 'what it does'], rows)}

${secretSettings.map(code).join(', ')} may be in a file: \`NAME_FILE\` names it, and then \`NAME\` is not set. That keeps them out of the list of processes
and out of \`docker inspect\`. A variable that begins with \`THINGWARD_\` and is no setting gets a warning at the start, with the nearest name.`;
}

/** The shape of a setting that is text in the environment: what it is read as. */
function shapeOf(schema: z.ZodType, known: Shape | undefined): Shape {
  if (known && Object.keys(known).some((key) => key !== 'description')) return known;
  return z.toJSONSchema(schema, lax) as Shape;
}

function operatorPart(): string {
  const rows = Object.entries(operatorVariables).map(([name, about]) => [code(name), about]);
  return `## The operator's command line

What \`thingward things\`, \`thingward policies\` and the other commands over the API read from the environment ([cli.md](cli.md)). Flags and contexts come first.

${table(['variable', 'what it does'], rows)}`;
}

/** Durations are written with a unit and read as milliseconds: their defaults show only in what was read. */
const asRead = edgeFile.parse({
  server: 'https://server.example',
  keyFile: 'key',
  name: 'edge',
  stateDir: 'state',
  upstream: {},
  listeners: [{ protocol: 'http', port: 1 }],
});

function edgePart(): string {
  const shape = z.toJSONSchema(edgeFile, lax) as Shape;
  const rows = membersOf(shape).map(({ name, isRequired, shape: member }) => [
    code(name),
    isRequired ? 'required' : code(defaultOf(name, member)),
    valuesOf(member),
  ]);
  return `## The edge

The members of \`edge.yaml\`, which \`thingward edge --config\` reads. [edge.md](edge.md#settings) says what each of them does. \`listeners[]\` has
the members of every protocol: which belongs to which stands there too.

${table(['member', 'default', 'values'], rows)}`;
}

type Member = { name: string; isRequired: boolean; shape: Shape };

/** The members of an object, and of the objects in it, by their paths. */
function membersOf({ properties = {}, required = [] }: Shape, prefix = ''): Member[] {
  return Object.entries(properties).flatMap(([key, shape]) => {
    const name = `${prefix}${key}`;
    if (shape.properties) return membersOf(shape, `${name}.`);
    const own = { name, isRequired: required.includes(key), shape };
    const forms = shape.items?.oneOf ?? shape.items?.anyOf;
    if (!forms) return [own];
    const members = new Map(forms.flatMap((form) => membersOf(form, `${name}[].`)).map((each) => [each.name, each]));
    members.set(`${name}[].protocol`, { name: `${name}[].protocol`, isRequired: true, shape: protocols(forms) });
    return [own, ...members.values()];
  });
}

const protocols = (forms: Shape[]): Shape => ({ enum: forms.map((form) => form.properties?.['protocol']?.const) });

function defaultOf(name: string, { default: value }: Shape): string {
  if (value !== undefined) return String(value);
  const read = name.split('.').reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], asRead);
  return typeof read === 'number' && !name.includes('[') ? `${read / 1000}s` : '';
}
