import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { stringify, parse } from 'yaml';
import { z } from 'zod';
import { readEdgeConfig } from '../../../../src/edge/settings/config-file.js';
import { sink, sinksOf } from '../../../../src/edge/settings/sink-shapes.js';
import { blockOf, quotedIn, tableOf } from '../../../support/deployment/documented.js';

const paper = readFileSync('docs/sinks.md', 'utf8');
const least = {
  server: 'https://things.example.com',
  keyFile: 'edge.key',
  name: 'berlin-1',
  stateDir: 'state',
  listeners: [{ protocol: 'mqtts', port: 8883, certFile: 'tls.crt', keyFile: 'tls.key' }],
  upstream: { mqtt: { url: 'mqtt://127.0.0.1', username: '${thing.name}', passwordFile: 'devices.pw' } },
};
const read = (more: object) => readEdgeConfig(stringify({ ...least, ...more }), '/etc/thingward/edge.yaml');

it('has settings that can be read, with files by the folder of edge.yaml', () => {
  const { gateway, upstream } = read(parse(blockOf('settings', paper)) as object);
  expect(Object.entries(gateway!.sinks!).map(([name, { kind }]) => `${name} ${kind}`)).toEqual([
    'cloud mqtt',
    'lake https',
    'site nats',
    'bus kafka',
  ]);
  expect(gateway!.sinks!['lake']).toMatchObject({ secretFile: '/etc/thingward/lake.secret', maxAge: 30 * 86_400_000 });
  expect(Object.keys(sinksOf({ gateway, upstream }))).toContain('upstream');
});

it('names every member, with its default', () => {
  const { oneOf } = z.toJSONSchema(sink, { io: 'input', unrepresentable: 'any' }) as {
    oneOf: { properties: Record<string, { const?: string }> }[];
  };
  const [first] = oneOf;
  const common = Object.keys(first!.properties).filter((name) => oneOf.every(({ properties }) => name in properties));
  const rows = tableOf('members of all', paper);
  expect(rows.map(([member]) => quotedIn(member!)[0]).sort()).toEqual(common.sort());
  const given = sink.parse({ kind: 'mqtt', url: 'mqtt://a' }) as Record<string, unknown>;
  for (const [member, standard] of rows) {
    const [written] = quotedIn(standard!);
    const [name] = quotedIn(member!) as [string];
    if (written === '7d') expect(given[name]).toBe(7 * 86_400_000);
    else if (written !== undefined) expect(String(given[name]), name).toBe(written);
  }
  for (const { properties } of oneOf) {
    const [, section] = new RegExp(`### \`${properties['kind']!.const}\`\n([^]*?)\n##`).exec(paper)!;
    for (const name of Object.keys(properties).filter((each) => !common.includes(each)))
      expect(section, name).toMatch(new RegExp(`\`${name}(: \\d)?\``));
  }
});

it('lets the edge into its broker as itself, never as a device', () => {
  const own = (more: object) => sinksOf(read(more))['upstream'];
  expect(own({})).toMatchObject({ kind: 'mqtt', url: 'mqtt://127.0.0.1', maxBytes: 268_435_456 });
  expect(own({})).not.toHaveProperty('passwordFile', expect.anything());
  const commands = { username: 'edge', passwordFile: 'edge.pw', url: 'mqtts://broker.example' };
  expect(own({ gateway: { commands } })).toMatchObject({ username: 'edge', url: 'mqtts://broker.example' });
  const sinks = { upstream: { kind: 'nats', url: 'nats://127.0.0.1' } };
  expect(own({ gateway: { sinks } })).toMatchObject({ kind: 'nats' });
});
