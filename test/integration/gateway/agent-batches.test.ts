import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { flattenedVerify, importX509, type FlattenedJWSInput } from 'jose';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../../support/edge/stage.js';
import { createPublishStage, type PublishStage, type Received } from '../../support/gateway/publish-stage.js';
import { describeWith } from '../../support/programs.js';
import { runShell } from '../../support/shell.js';

type Line = { id: string; topic: string; at: string; payload?: unknown; payloadBase64?: string };

const linesOf = ({ payload }: Received): Line[] =>
  gunzipSync(payload)
    .toString('utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
const propertyOf = ({ packet }: Received, name: string): string =>
  String(packet.properties?.userProperties?.[name] ?? '');

describeWith(['mosquitto'], 'batches of the agent', () => {
  let stage: PublishStage;
  let edge: Awaited<ReturnType<PublishStage['startEdge']>>;

  beforeAll(async () => {
    stage = await createPublishStage();
    edge = await stage.startEdge();
  });
  afterAll(() => stage.stop());

  const verify = (line: string) =>
    runShell(`'${process.execPath}' ${resolve('dist/main.js')} agent verify-batch ${line}`, stage.at(''));

  it('have many messages at once, signed with the key of the device, which others can verify', async () => {
    await stage.provision('batcher');
    const { received, stop } = await stage.subscribe('batcher');
    const before = Math.floor(Date.now() / 1000);
    const { agent, output, say } = stage.run('batcher', edge.portOf(0), [
      '--batch',
      '5,60',
      '--sign',
      '--exit-when-empty',
    ]);
    for (let n = 0; n < 12; n++) say({ topic: `~/t/${n}`, payload: { n, text: 'ä\n' }, id: `b-${n}` });
    say({ topic: '~/raw', payloadBase64: '/wAK', id: 'b-12' });
    await eventually(
      () => received,
      (all) => all.length === 2,
    );
    agent.stdin.end();
    await once(agent, 'exit');
    expect(agent.exitCode, output()).toBe(0);
    await eventually(
      () => received,
      (all) => all.length === 3,
    );
    expect(received.map((batch) => linesOf(batch).length)).toEqual([5, 5, 3]);
    const lines = received.flatMap(linesOf);
    expect(lines.map(({ id }) => id)).toEqual(Array.from({ length: 13 }, (_, n) => `b-${n}`));
    expect(lines[3]).toEqual({
      id: 'b-3',
      topic: 'default/batcher/t/3',
      at: expect.stringMatching(/^20.*Z$/) as string,
      payload: { n: 3, text: 'ä\n' },
    });
    expect(lines[12]).toMatchObject({ topic: 'default/batcher/raw', payloadBase64: '/wAK' });

    const pem = readFileSync(stage.at('batcher/device.crt'), 'utf8');
    const certificate = new X509Certificate(pem);
    const thumbprint = createHash('sha256').update(certificate.raw).digest('base64url');
    for (const batch of received) {
      expect(batch).toMatchObject({ topic: 'default/batcher/batches' });
      expect(batch.packet.properties).toMatchObject({ contentType: 'application/x-ndjson' });
      expect(propertyOf(batch, 'content-encoding')).toBe('gzip');
      expect(propertyOf(batch, 'count')).toBe(String(linesOf(batch).length));
      const [header, , signature] = propertyOf(batch, 'jws').split('.');
      const jws: FlattenedJWSInput = {
        protected: header!,
        payload: batch.payload.toString('base64url'),
        signature: signature!,
      };
      const key = await importX509(pem, 'ES256');
      const { protectedHeader } = await flattenedVerify(jws, key, { algorithms: ['ES256'] });
      expect(protectedHeader).toEqual({
        alg: 'ES256',
        typ: 'batch',
        kid: certificate.serialNumber.toLowerCase(),
        'x5t#S256': thumbprint,
        iat: expect.any(Number) as number,
        id: batch.id,
      });
      expect(Math.abs((protectedHeader!['iat'] as number) - before)).toBeLessThan(60);
      const changed = gzipSync(gunzipSync(batch.payload).toString('utf8').replace('b-', 'c-'));
      await expect(flattenedVerify({ ...jws, payload: changed.toString('base64url') }, key)).rejects.toThrow();
    }
    stop();

    const [batch] = received as [Received];
    writeFileSync(stage.at('batch.gz'), batch.payload);
    writeFileSync(stage.at('batch.gz.jws'), propertyOf(batch, 'jws'));
    const good = await verify('batch.gz --cert batcher/device.crt');
    expect(good.output).toMatch(
      /^batch\.gz is batch [0-9a-f-]{36} of default\/batcher, signed at 20.*Z: 5 messages\n$/,
    );
    expect(good.code).toBe(0);
    const octets = Buffer.from(batch.payload);
    octets[20]! ^= 1;
    writeFileSync(stage.at('changed.gz'), octets);
    await stage.provision('stranger');
    const [head, , tail] = propertyOf(batch, 'jws').split('.') as [string, string, string];
    const reheaded = (change: object): string => {
      const header = JSON.parse(Buffer.from(head, 'base64url').toString()) as object;
      return `${Buffer.from(JSON.stringify({ ...header, ...change })).toString('base64url')}..${tail}`;
    };
    const jwses: Record<string, string> = {
      none: reheaded({ alg: 'none' }),
      later: reheaded({ iat: 4e9 }),
      critical: reheaded({ crit: ['b64'], b64: false }),
      odd: `${head}.${Buffer.from(batch.payload).toString('base64url')}.${tail}`,
      empty: `${head}..`,
      noise: 'x',
      huge: 'x'.repeat(100_000),
    };
    for (const [name, jws] of Object.entries(jwses)) writeFileSync(stage.at(`${name}.jws`), jws);
    const bad = [
      'changed.gz --cert batcher/device.crt --jws batch.gz.jws',
      'batch.gz --cert stranger/device.crt',
      ...Object.keys(jwses).map((name) => `batch.gz --cert batcher/device.crt --jws ${name}.jws`),
    ];
    for (const line of bad) {
      const { code, output: said } = await verify(line);
      expect({ line, code, said }).toMatchObject({
        code: 3,
        said: expect.stringContaining('is not to be believed') as string,
      });
    }
    expect((await verify('batch.gz --cert nowhere.pem')).code).toBe(2);
    expect((await verify('nowhere.gz --cert batcher/device.crt --jws batch.gz.jws')).code).toBe(2);
  });

  it('leave when the first message has waited for so long, also after a kill', async () => {
    await stage.provision('waiter');
    const { received, stop } = await stage.subscribe('waiter');
    const first = stage.run('waiter', edge.portOf(0), ['--batch', '100,2', '--http', '0', '--json']);
    const text = await eventually(first.output, (said) => /"http":\d+/.test(said));
    const port = /"http":(\d+)/.exec(text)![1]!;
    const post = () =>
      fetch(`http://127.0.0.1:${port}/publish`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"topic":"~/a","payload":1}',
      });
    expect((await post()).status).toBe(202);
    const began = performance.now();
    await eventually(
      () => received,
      (all) => all.length === 1,
    );
    expect(performance.now() - began).toBeGreaterThan(1000);
    expect((await post()).status).toBe(202);
    expect((await post()).status).toBe(202);
    await first.kill();
    const second = stage.run('waiter', edge.portOf(0), ['--batch', '100,2']);
    await eventually(
      () => received,
      (all) => all.length === 2,
    );
    expect(received.map((batch) => linesOf(batch).length)).toEqual([1, 2]);
    expect(propertyOf(received[0]!, 'jws')).toBe('');
    await second.kill();
    stop();
  });

  it('are signed by RSA and Ed25519 too, as the key is', async () => {
    const { signDetached, thumbprintOf, verifyDetached } = await import('../../../src/agent/jws.js');
    for (const [name, kind] of [
      ['RS256', 'rsa:2048'],
      ['EdDSA', 'ed25519'],
      ['ES384', 'ec -pkeyopt ec_paramgen_curve:P-384'],
    ] as const) {
      const line = `openssl req -x509 -newkey ${kind} -nodes -keyout ${name}.key -out ${name}.crt -subj /CN=x -days 2`;
      const made = await runShell(line, stage.at(''));
      expect(made.code, made.output).toBe(0);
      const pem = readFileSync(stage.at(`${name}.crt`), 'utf8');
      const certificate = new X509Certificate(pem);
      const key = createPrivateKey(readFileSync(stage.at(`${name}.key`)));
      const payload = Buffer.from('a payload');
      const header = { kid: '1', 'x5t#S256': thumbprintOf(certificate), iat: 1, id: 'x' };
      const [head, , signature] = signDetached(key, header, payload).split('.') as [string, string, string];
      const jws = { protected: head, payload: payload.toString('base64url'), signature };
      const { protectedHeader } = await flattenedVerify(jws, await importX509(pem, name));
      expect(protectedHeader).toEqual({ alg: name, typ: 'batch', ...header });
      expect(verifyDetached(`${head}..${signature}`, payload, certificate)).toMatchObject({ alg: name });
    }
  });
});
