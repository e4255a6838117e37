import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { z } from 'zod';
import { createMeters } from '../../../src/reaper/monitor/meters.js';
import { readReaperConfig } from '../../../src/reaper/settings/config.js';
import { reaperFile } from '../../../src/reaper/settings/shapes.js';
import { blockOf, quotedIn, tableOf } from '../../support/deployment/documented.js';

const paper = readFileSync('docs/reaper.md', 'utf8');

type Shape = { properties?: Record<string, Shape>; oneOf?: Shape[]; items?: Shape; const?: string };

const shape = z.toJSONSchema(reaperFile, { io: 'input', unrepresentable: 'any' }) as Shape;
const kinds = shape.properties!['brokers']!.items!.oneOf!;

function membersOf({ properties }: Shape, above = ''): string[] {
  return Object.entries(properties ?? {}).flatMap(([name, inner]) =>
    inner.properties ? membersOf(inner, `${above}${name}.`) : [`${above}${name}`],
  );
}

const namesIn = (table: string): string[] => tableOf(table, paper).map(([cell]) => quotedIn(cell!)[0]!);

const least = {
  server: 'https://things.example.com',
  keyFile: 'reaper.key',
  name: 'berlin',
  stateDir: 'state',
  brokers: [{ name: 'r', kind: 'rabbitmq', url: 'https://rabbit', username: 'u', passwordEnv: 'P' }],
};
const refusedBy = (settings: object): string => {
  try {
    readReaperConfig(stringify(settings), 'reaper.yaml');
    return '';
  } catch (error) {
    return (error as Error).message;
  }
};

describe('docs/reaper.md', () => {
  it('has settings that are accepted', () => {
    const { brokers } = readReaperConfig(blockOf('settings', paper), 'reaper.yaml');
    expect(brokers.map(({ kind }) => kind)).toEqual(['rabbitmq', 'mosquitto', 'webhook']);
  });

  it('names every member, and for which kinds of brokers it is', () => {
    expect(namesIn('members')).toEqual(membersOf(shape));
    const rows = tableOf('brokers', paper);
    const all = kinds.map((kind) => kind.properties!['kind']!.const!);
    for (const kind of kinds) {
      const name = kind.properties!['kind']!.const!;
      const told = rows
        .filter(
          ([, of]) =>
            of === 'all' || (of!.startsWith('all but') ? !quotedIn(of!).includes(name) : quotedIn(of!).includes(name)),
        )
        .map(([member]) => quotedIn(member!)[0]!);
      expect(told.sort(), name).toEqual(membersOf(kind).sort());
    }
    expect(quotedIn(rows.find(([member]) => member === '`kind`')![3]!)).toEqual(all);
  });

  it('says the defaults that the program has', () => {
    const [broker] = readReaperConfig(stringify(least), 'reaper.yaml').brokers;
    const held = JSON.parse(JSON.stringify(broker)) as Record<string, any>;
    for (const [member, , said] of tableOf('brokers', paper)) {
      const text = quotedIn(said!)[0];
      if (text === undefined) continue;
      const value = quotedIn(member!)[0]!
        .split('.')
        .reduce<any>((inner, name) => inner[name], held);
      expect(String(value), member).toBe(/^\d+s$/.test(text) ? String(Number.parseInt(text, 10) * 1000) : text);
    }
  });

  it('names every figure', async () => {
    const { registry } = createMeters(
      () => [],
      () => 'live',
    );
    const names = (await registry.getMetricsAsJSON()).map(({ name }) => name);
    expect(namesIn('metrics').sort()).toEqual(names.filter((name) => name.startsWith('thingward_')).sort());
  });

  it('names every line that the program says by itself', () => {
    const sources = readdirSync('src/reaper', { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts'))
      .map((path) => readFileSync(join('src/reaper', path), 'utf8'));
    const said = sources.flatMap((text) =>
      [...text.matchAll(/tell\.(?:info|warn|error)\(\s*\{[^}]*\},\s*'([^']+)'/g)].map(([, line]) => line!),
    );
    expect(namesIn('log').sort()).toEqual([...new Set(said)].sort());
  });
});

describe('settings of a reaper', () => {
  const broker = (more: object): object => ({ ...least, brokers: [{ ...least.brokers[0], ...more }] });

  it.each([
    ['an unknown member', { ...least, listeners: [] }, /reaper\.yaml:\d+: listeners: is not a setting of a reaper/],
    ['no broker', { ...least, brokers: [] }, /at least one broker/],
    [
      'two brokers of a name',
      { ...least, brokers: [...least.brokers, ...least.brokers] },
      /the name of another broker/,
    ],
    ['a kind that does not exist', broker({ kind: 'smtp' }), /must be artemis, emqx, /],
    ['a password in clear text', broker({ url: 'http://rabbit' }), /clear text/],
    ['credentials in a URL', broker({ url: 'https://a:b@rabbit' }), /without credentials/],
    ['two passwords', broker({ passwordFile: 'p' }), /one of them/],
    ['a user without the thing', broker({ user: 'everybody' }), /must have \$\{thing\.name\} once/],
    ['a user with another variable', broker({ user: '${thing.name}${env.HOME}' }), /no other variable/],
    ['a name that leaves its folder', broker({ name: '../x' }), /must be 1 to 64 letters/],
    ['a validity without a unit', broker({ validity: '5' }), /duration/],
  ])('refuses %s, and says where', (_what, settings, words) => {
    expect(refusedBy(settings)).toMatch(words);
    expect(refusedBy(settings)).toMatch(/^reaper\.yaml:\d+/);
  });
});
