import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import { createEdgeStage, eventually, type EdgeStage } from '../../support/edge/stage.js';
import { enroll } from '../../support/fleet.js';
import { describeWith } from '../../support/programs.js';
import { runShell } from '../../support/shell.js';

const paper = readFileSync('docs/gateway.md', 'utf8');
const block = (name: string): string =>
  new RegExp(`<!-- test: commands ${name} -->\\n\\n\`\`\`\\w+\\n([^]*?)\`\`\``).exec(paper)![1]!;

describeWith(['mosquitto', 'curl', 'sh'], 'docs/gateway.md, commands', () => {
  let stage: EdgeStage;
  let agent: ChildProcess | undefined;

  beforeAll(async () => {
    stage = await createEdgeStage();
  });
  afterAll(async () => {
    agent?.kill('SIGKILL');
    await stage.stop();
  });

  it('works as it stands: settings, policy, requests and agent', async () => {
    const { owner, url: server } = stage.server;
    const url = await stage.startBroker();
    writeFileSync(stage.at('broker-edge.pw'), 'secret\n');
    const { gateway } = parse(block('settings')) as { gateway: object };
    const edge = await stage.startEdge([{ protocol: 'mqtts', clientCertificates: 'required' }], {
      upstream: { mqtt: { url } },
      gateway,
    });
    const made = await owner.post('/v1/policies', JSON.parse(block('policy')) as object);
    expect(made.status, made.text).toBe(201);
    const { token } = await enroll(stage.server, { policy: 'commanded', thingType: 'pump' });
    const program = `'${process.execPath}' '${resolve('dist/main.js')}' agent`;
    const provisioning = `${program} provision --server ${server} --enrollment ${token} --name pump-17 --out ./pump-17`;
    const provisioned = await runShell(provisioning, stage.at(''));
    expect(provisioned.code, provisioned.output).toBe(0);
    writeFileSync(stage.at('on-command'), '#!/bin/sh\nread payload\necho "$1 $payload"\n', { mode: 0o755 });
    const line = block('agent')
      .replace('thingward-agent', `exec ${program}`)
      .replace('edge.example.com:8883', `localhost:${edge.portOf(0)}`)
      .replace('edge-ca.pem', 'tls.crt');
    agent = spawn('sh', ['-c', line], { cwd: stage.at(''), stdio: 'ignore' });

    const { body: key } = await owner.post('/v1/api-keys', { role: 'operator' });
    const requests = `export SERVER='${server}' KEY='${key.key as string}'\nset -e\n${block('requests')}`;
    const sent = await runShell(requests, stage.at(''));
    expect(sent.code, sent.output).toBe(0);
    expect(sent.output).toContain('"status":"queued"');
    const listed = await owner.get('/v1/things/pump-17/commands');
    const [{ id }] = listed.body.items as [{ id: string }];
    const done = await eventually(
      async () => (await owner.get(`/v1/things/pump-17/commands/${id}`)).body as { status: string; result?: object },
      ({ status }) => status === 'acknowledged',
    );
    expect(done.result).toEqual({ status: 'acknowledged', exitCode: 0, output: 'set-speed {"rpm":1200}\n' });
    expect(stage.brokerLog()).toContain("u'thingward-edge'");
    const refused = await owner.post('/v1/things/pump-17/commands', { name: 'set-speed', payload: { rpm: 9001 } });
    expect(refused.status).toBe(400);
  });

  it('names the keywords of schemas, and no others can be used', async () => {
    const listed = /These keywords can be used:\n\n([^]*?)\n\n/.exec(paper)![1]!;
    const keywords = [...listed.matchAll(/`([a-zA-Z]+)`/g)].map(([, keyword]) => keyword!);
    expect(keywords).toHaveLength(31);
    const values: Record<string, unknown> = {
      type: 'object',
      enum: [1],
      required: ['a'],
      dependentRequired: { a: ['b'] },
      properties: { a: true },
      dependentSchemas: { a: true },
      title: 'x',
      ...Object.fromEntries(['prefixItems', 'allOf', 'anyOf', 'oneOf'].map((each) => [each, [true]])),
    };
    const isBound = (keyword: string): boolean => /^(min|max|exclusive|multiple)/.test(keyword);
    for (const keyword of keywords) {
      const value = values[keyword] ?? (isBound(keyword) ? 1 : true);
      const made = await stage.server.owner.post('/v1/command-schemas', {
        name: `k-${keyword}`,
        schema: { [keyword]: value },
      });
      expect(made.status, `${keyword}: ${made.text}`).toBe(201);
    }
    for (const keyword of [
      'pattern',
      'patternProperties',
      'format',
      '$ref',
      '$defs',
      '$dynamicRef',
      '$id',
      'uniqueItems',
      'nonsense',
    ])
      expect(
        (await stage.server.owner.post('/v1/command-schemas', { name: 'k', schema: { [keyword]: {} } })).status,
        keyword,
      ).toBe(400);
  });
});
