import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { readEdgeConfig } from '../../../src/edge/settings/config-file.js';
import { edgeFile } from '../../../src/edge/settings/config-shapes.js';
import { beginnings, endings, followingBeginnings } from '../../../src/edge/proxy/troubles.js';
import { reason } from '../../../src/edge/mqtt-packets/reason-codes.js';
import { endedNode } from '../../../src/settings/node-life.js';
import { blockOf, edgePaper, quotedIn, tableOf } from '../../support/deployment/documented.js';

type Shape = { properties?: Record<string, Shape>; const?: string; oneOf?: Shape[]; items?: Shape };

const shape = z.toJSONSchema(edgeFile, { io: 'input', unrepresentable: 'any' }) as Shape;
const least = {
  server: 'https://things.example.com',
  keyFile: 'edge.key',
  name: 'berlin-1',
  stateDir: 'state',
  listeners: [{ protocol: 'mqtts', port: 8883, certFile: 'tls.crt', keyFile: 'tls.key' }],
  upstream: { mqtt: { url: 'mqtt://127.0.0.1' }, http: { url: 'http://127.0.0.1' } },
  gateway: { pipelines: {} },
  monitor: {},
};

const unitMs: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** A value as the program holds it: durations in milliseconds. */
function valueOf(text: string): unknown {
  const [, amount, unit] = /^(\d+)([smhd])$/.exec(text) ?? [];
  if (unit !== undefined) return Number(amount) * unitMs[unit]!;
  if (text === 'true' || text === 'false') return text === 'true';
  return /^\d+$/.test(text) ? Number(text) : text;
}

function membersOf({ properties }: Shape, above = ''): string[] {
  return Object.entries(properties ?? {}).flatMap(([name, inner]) =>
    inner.properties ? membersOf(inner, `${above}${name}.`) : [`${above}${name}`],
  );
}

function at(value: unknown, path: string): unknown {
  return path.split('.').reduce((inner, name) => (inner as Record<string, unknown> | undefined)?.[name], value);
}

/** The least settings with one member more. */
function having(path: string, value: unknown): object {
  const settings = structuredClone(least) as Record<string, any>;
  const names = path.split('.');
  const last = names.pop()!;
  const parent = names.reduce((inner, name) => (inner[name] ??= {}), settings);
  parent[last] = value;
  return settings;
}

const isAccepted = (settings: object): boolean => {
  try {
    return readEdgeConfig(stringify(settings), 'edge.yaml') !== undefined;
  } catch {
    return false;
  }
};

type Values = { good: unknown[]; bad: unknown[] };

/** What a cell of the table says that a member may be, and what it therefore may not be. */
function valuesOf(path: string, cell: string): Values {
  const named = quotedIn(cell);
  if (/` to `/.test(cell)) {
    const ends = named.map((text) => valueOf(text) as number) as [number, number];
    if (/\d$/.test(named[0]!)) return { good: ends, bad: [ends[0] - 1, ends[1] + 1] };
    return { good: named, bad: [`${ends[0] - 1}ms`, `${ends[1] + 1}ms`] };
  }
  if (named.length > 1 && named.every((text) => text === 'true' || text === 'false'))
    return { good: named.map(valueOf), bad: ['nonsense'] };
  if (!path.endsWith('url')) return named.length > 1 ? { good: named, bad: ['nonsense'] } : { good: [], bad: [] };
  const others = ['mqtt', 'mqtts', 'ws', 'wss', 'http', 'https', 'tcp'].filter((scheme) => !named.includes(scheme));
  const toUrls = (schemes: string[]): string[] => schemes.map((scheme) => `${scheme}://127.0.0.1`);
  return { good: toUrls(named), bad: toUrls(others) };
}

describe('docs/edge.md', () => {
  it('names every setting, with its default', () => {
    const rows = tableOf('members');
    expect(rows.map(([member]) => quotedIn(member!)[0]).sort()).toEqual(membersOf(shape).sort());
    const config = readEdgeConfig(stringify(least), 'edge.yaml');
    for (const [member, standard] of rows) {
      const path = quotedIn(member!)[0]!;
      const [written] = quotedIn(standard!);
      if (written !== undefined) expect(at(config, path), path).toBe(valueOf(written));
      else if (!(path in least) && at(least, path) === undefined) expect(at(config, path), path).toBeUndefined();
    }
  });

  it('names the values that settings may have', () => {
    let tried = 0;
    for (const [member, , values] of tableOf('members')) {
      const path = quotedIn(member!)[0]!;
      const { good, bad } = valuesOf(path, values!);
      for (const value of good) expect(isAccepted(having(path, value)), `${path}: ${String(value)}`).toBe(true);
      for (const value of bad) expect(isAccepted(having(path, value)), `${path}: ${String(value)}`).toBe(false);
      if (good.length > 0) tried++;
    }
    expect(tried).toBe(15);
  });

  it('names every member of a listener, for which protocols it is, and its default', () => {
    const kinds = shape.properties!['listeners']!.items!.oneOf!;
    const protocols = kinds.map(({ properties }) => properties!['protocol']!.const!);
    const described = new Map(
      tableOf('listeners').map(([member, whose]) => [
        quotedIn(member!)[0]!,
        whose === 'all' ? protocols : quotedIn(whose!),
      ]),
    );
    for (const { properties } of kinds) {
      const protocol = properties!['protocol']!.const!;
      const members = [...described].filter(([, whose]) => whose.includes(protocol)).map(([member]) => member);
      expect(members.sort(), protocol).toEqual(Object.keys(properties!).sort());
    }
    const listeners = [
      { protocol: 'wss', port: 1, certFile: 'a', keyFile: 'b' },
      { protocol: 'ws', port: 2, host: '127.0.0.1' },
    ];
    const read = readEdgeConfig(stringify({ ...least, listeners }), 'edge.yaml').listeners as Record<string, unknown>[];
    for (const [member, , standard] of tableOf('listeners')) {
      const [name] = quotedIn(member!);
      const [written] = quotedIn(standard!);
      if (written !== undefined) expect(read[0]![name!], name).toBe(written);
    }
    expect(read[1]!['clientCertificates']).toBe('none');
  });

  it('has settings that can be read', () => {
    expect(isAccepted(parse(blockOf('settings')) as object)).toBe(true);
    expect(isAccepted({ ...least, ...(parse(blockOf('behind haproxy')) as object) })).toBe(true);
    expect(isAccepted(parse(readFileSync('deploy/edge/edge.yaml', 'utf8')) as object)).toBe(true);
  });

  it('names every line of the log with its level and its members', () => {
    const described = tableOf('log').map(([text, level, members]) =>
      [level, quotedIn(text!)[0], ...quotedIn(members!)].join(' '),
    );
    expect(described.sort()).toEqual([...linesOfTheLog(), lineOfAnOldNode()].sort());
  });

  it('names what may stop working, with both of its lines', () => {
    const following = Object.values(followingBeginnings).map((begins) => [begins, endings.following]);
    const others = Object.entries(beginnings).map(([what, begins]) => [begins, endings[what as keyof typeof endings]]);
    const described = tableOf('troubles').map((cells) => cells.slice(0, 2).map((cell) => quotedIn(cell)[0]));
    expect(described).toEqual([...following, ...others]);
    expect(edgePaper).toContain('with `still:` before it');
  });

  it('names every reason, code and state', () => {
    const judge = readFileSync('src/authorize/judge.ts', 'utf8');
    const refusals = quotes(/export type Refusal =([^;]+);/.exec(judge)![1]!);
    const denials = quotes(/reason: Refusal([^;]+);/.exec(readFileSync('src/edge/mqtt/options.ts', 'utf8'))![1]!);
    const described = tableOf('reasons').flatMap(([why]) => quotedIn(why!));
    // A statement has an id of its own.
    expect(described.sort()).toEqual([...refusals, ...denials].filter((word) => word !== 'statement').sort());

    const codes = new Set<number>(Object.values(reason));
    for (const [code] of tableOf('endings')) expect(codes.has(Number(quotedIn(code!)[0])), code).toBe(true);

    const trusts = quotes(/export type Trust =([^;]+);/.exec(readFileSync('src/edge/gate.ts', 'utf8'))![1]!);
    expect(tableOf('trust').map(([state]) => quotedIn(state!)[0])).toEqual(trusts);

    const hooks = /export type Hooks = \{([^]+?)\n\};/.exec(readFileSync('src/edge/mqtt/hooks.ts', 'utf8'))![1]!;
    const named = [...hooks.matchAll(/^ {2}(\w+)\?\(/gm)].map(([, name]) => name);
    expect(tableOf('hooks').flatMap(([hook]) => quotedIn(hook!))).toEqual(named);
  });

  it('has an example of hooks that compiles', () => {
    const [, example] = /```js\n(import \{ createEdge \}[^]*?)```/.exec(edgePaper)!;
    expect(complaintsOf(example!)).toEqual([]);
    expect(complaintsOf(example!.replace('authPublish', 'authPublich'))).not.toEqual([]);
  });
});

describe('deploy/edge', () => {
  const text = (name: string): string => readFileSync(`deploy/edge/${name}`, 'utf8');

  it('asks for nothing that CI does not install', () => {
    const ci = readFileSync('.ci/run', 'utf8');
    const packages = /apt-get install -y (.+)/.exec(blockOf('install', text('README.md')))![1]!.split(' ');
    for (const name of packages) expect(ci, name).toMatch(new RegExp(`apt-get install .* ${name}[ \n]`));
    const [library] = /paho-mqtt==[\d.]+/.exec(blockOf('install library', text('README.md')))!;
    expect(ci).toContain(`'${library}'`);
  });

  it('has a README and containers that name only files that are there', () => {
    const files = [...text('README.md').matchAll(/^\| (`.+?`) +\|/gm)].flatMap(([, names]) => quotedIn(names!));
    expect(files.length).toBeGreaterThan(7);
    const entries = readdirSync('deploy/edge', { withFileTypes: true });
    const there = entries.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name));
    expect([...files, 'README.md'].sort()).toEqual(there.sort());
    const { services } = parse(text('docker-compose.yml')) as { services: Record<string, { command: string[] }> };
    expect(Object.keys(services)).toEqual(['broker', 'edge', 'nginx']);
    const named = Object.values(services).flatMap(
      ({ command }) => command.join(' ').match(/[\w-]+\.(?:conf|yaml)/g) ?? [],
    );
    expect(named).toEqual(expect.arrayContaining(['mosquitto.conf', 'edge.yaml', 'nginx.conf']));
  });

  it('has a page that loads nothing from elsewhere, and that its policy lets run', () => {
    const page = text('www/index.html');
    expect(page.match(/(?:src|href)="[^"]+"/g)!.every((link) => !/="(?:https?:)?\/\//.test(link))).toBe(true);
    expect(page).not.toMatch(/<script(?![^>]* src=)|<style|\sstyle=|\son\w+=/);
    expect(text('nginx.conf')).toMatch(/Content-Security-Policy "default-src 'none'; script-src 'self';(?!.*unsafe)/);
  });
});

const quotes = (text: string): string[] => [...text.matchAll(/'([a-z-]+)'/g)].map(([, word]) => word!);

const levels: Record<string, number> = { info: 30, warn: 40, error: 50 };

/** What the edge writes, as its source says: level, message, members. */
function linesOfTheLog(): string[] {
  // What may stop working has a table of its own.
  const isRead = (name: string): boolean => name.endsWith('.ts') && name !== 'proxy/troubles.ts';
  const files = readdirSync('src/edge', { recursive: true, encoding: 'utf8' }).filter(isRead);
  const lines: string[] = [];
  for (const file of files) {
    const source = ts.createSourceFile(file, readFileSync(`src/edge/${file}`, 'utf8'), ts.ScriptTarget.Latest, true);
    const visit = (node: ts.Node): void => {
      if (ts.isCallExpression(node) && /^tell\.(?:info|warn|error)$/.test(node.expression.getText(source)))
        lines.push(...lineOf(node, source));
      node.forEachChild(visit);
    };
    visit(source);
  }
  return lines;
}

/** What the command line adds to the log of the edge, with a mark for its version, day and advice. */
function lineOfAnOldNode(): string {
  const [line] = endedNode('20.19.0', new Date('2030-01-01'));
  return `40 ${line!.replaceAll(/\d[\d.-]*/g, '…')}`;
}

function lineOf({ expression, arguments: given }: ts.CallExpression, source: ts.SourceFile): string[] {
  const [fields, message] = given as unknown as [ts.Expression, ts.Expression];
  const level = levels[expression.getText(source).slice(5)];
  return quotesOf(message).map((text) => [level, text, ...membersOfLine(fields, text)].join(' '));
}

/** One message, or both of a choice. */
function quotesOf(message: ts.Expression): string[] {
  if (ts.isStringLiteral(message)) return [message.text];
  if (ts.isConditionalExpression(message)) return [...quotesOf(message.whenTrue), ...quotesOf(message.whenFalse)];
  throw new Error(`a message of the log is no text: ${message.getText()}`);
}

function membersOfLine(fields: ts.Expression, text: string): string[] {
  if (!ts.isObjectLiteralExpression(fields)) return refusedMembers[text]!;
  return fields.properties.flatMap((property) =>
    ts.isSpreadAssignment(property) ? ['host', 'port'] : [property.name.getText()],
  );
}

// Of `RefusedLine`; a session has no resource and no detail.
const refusedMembers: Record<string, string[]> = {
  refused: ['what', 'why', 'thing', 'sourceIp', 'resource', 'detail'],
  'session ended': ['what', 'why', 'thing', 'sourceIp'],
};

/** What the compiler says of a program of somebody who has installed the package. */
function complaintsOf(program: string): string[] {
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    types: ['node'],
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: true,
    noEmit: true,
    paths: { 'thingward/edge': [resolve('src/edge/proxy/create-edge.ts')] },
  };
  const name = resolve('test/unit/edge/program.mts');
  const host = ts.createCompilerHost(options);
  const { readFile, fileExists, getSourceFile } = host;
  host.readFile = (path) => (path === name ? program : readFile(path));
  host.fileExists = (path) => path === name || fileExists(path);
  host.getSourceFile = (path, ...more) =>
    path === name ? ts.createSourceFile(path, program, ts.ScriptTarget.ES2023, true) : getSourceFile(path, ...more);
  const compiled = ts.createProgram([name], options, host);
  const source = compiled.getSourceFile(name)!;
  return [...compiled.getSyntacticDiagnostics(source), ...compiled.getSemanticDiagnostics(source)].map(
    ({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'),
  );
}
