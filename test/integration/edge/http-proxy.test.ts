import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createEdgeStage, eventually, type EdgeStage } from '../../support/edge/stage.js';
import { serialOf } from '../../support/pki/crl.js';
import { runProgram } from '../../support/pki/openssl.js';
import { describeWith } from '../../support/programs.js';
import { sendRaw } from '../../support/raw-http.js';
import { runShell } from '../../support/shell.js';

type StartedEdge = Awaited<ReturnType<EdgeStage['startEdge']>>;

describeWith(['curl', 'openssl'], 'an edge in front of an HTTP service', () => {
  let stage: EdgeStage;
  let edge: StartedEdge;
  let [optional, required, plain] = ['', '', ''];

  beforeAll(async () => {
    stage = await createEdgeStage();
    edge = await stage.startEdge([
      { protocol: 'https', clientCertificates: 'optional' },
      { protocol: 'https', clientCertificates: 'required' },
      { protocol: 'http', trustedProxies: ['127.0.0.1'] },
    ]);
    [optional, required] = [0, 1].map((nth) => `https://localhost:${edge.portOf(nth)}`) as [string, string];
    plain = `http://127.0.0.1:${edge.portOf(2)}`;
  });
  afterAll(() => stage.stop());

  const curl = async (args: string[]): Promise<{ status: number; body: any; text: string }> => {
    const quoted = args.map((each) => `'${each.replaceAll("'", `'\\''`)}'`).join(' ');
    const { output } = await runShell(`curl -sS --cacert tls.crt -w '\n%{http_code}' ${quoted} || true`, stage.at(''));
    const [text, status] = [output.slice(0, output.lastIndexOf('\n')), output.slice(output.lastIndexOf('\n') + 1)];
    return { status: Number(status), text, body: text.startsWith('{') ? JSON.parse(text) : undefined };
  };
  const certificateOf = (name: string): string[] => ['--cert', `${name}.crt`, '--key', `${name}.key`];
  const withToken = (token: string): string[] => ['-H', `authorization: Bearer ${token}`];

  it('lets a device in by its certificate, and says to the service who it is', async () => {
    const { name, answer } = await stage.addDevice();
    const { status, body } = await curl([
      ...certificateOf(name),
      '-H',
      'x-thingward-thing: root',
      `${required}/${name}/a?b=c`,
    ]);
    expect([status, body.url, body.method]).toEqual([200, `/${name}/a?b=c`, 'GET']);
    const headers = pairsOf(body.rawHeaders as string[]);
    expect(headers).toContain(`x-thingward-thing: ${name}`);
    expect(headers).toContain('x-thingward-account: default');
    expect(headers).toContain(
      `x-thingward-fingerprint: ${answer.body.certificate.fingerprint ?? fingerprintOf(stage, name)}`,
    );
    expect(headers.filter((line) => line.startsWith('x-thingward-thing'))).toHaveLength(1);
    expect(headers.some((line) => line.startsWith('authorization'))).toBe(false);
  });

  it('lets a device in by its token, with the certificate that it is bound to, and not without where certificates are asked for', async () => {
    const [{ name, token }, other] = [await stage.addDevice(), await stage.addDevice()];
    expect((await curl([...certificateOf(name), ...withToken(token), `${optional}/${name}/a`])).status).toBe(200);
    expect((await curl([...withToken(token), `${plain}/${name}/a`])).status).toBe(200);
    const alone = await curl([...withToken(token), `${optional}/${name}/a`]);
    expect([alone.status, alone.body.reasons]).toEqual([401, ['binding-mismatch']]);
    const foreign = await curl([...certificateOf(other.name), ...withToken(token), `${optional}/${name}/a`]);
    expect([foreign.status, foreign.body.reasons]).toEqual([401, ['binding-mismatch']]);
  });

  it('answers with problem documents: 401, 403, 502', async () => {
    const { name, token } = await stage.addDevice();
    const none = await curl([`${optional}/${name}/a`]);
    expect([none.status, none.body.type]).toEqual([401, 'urn:thingward:problem:missing-credential']);
    const wrong = await curl([...withToken('nonsense'), `${plain}/${name}/a`]);
    expect([wrong.status, wrong.body.type]).toEqual([401, 'urn:thingward:problem:invalid-credential']);
    const denied = await curl([...withToken(token), `${plain}/another/a`]);
    expect([denied.status, denied.body.type]).toEqual([403, 'urn:thingward:problem:forbidden']);
    const away = await stage.startEdge([{ protocol: 'http' }], { upstream: { http: { url: 'http://127.0.0.1:9' } } });
    const unreachable = await curl([...withToken(token), `http://127.0.0.1:${away.portOf(0)}/${name}/a`]);
    expect([unreachable.status, unreachable.body.type]).toEqual([502, 'urn:thingward:problem:upstream-away']);
  });

  it('judges the bytes that it forwards', async () => {
    const { name, token } = await stage.addDevice();
    const before = stage.service.got.length;
    for (const path of [
      `/${name}/../admin`,
      `/${name}/%2e%2e/admin`,
      `/${name}%2fa/../../admin`,
      `/${name}//a`,
      `/${name}/a;b`,
      `//${name}/a`,
      `/${name}/%00`,
      `/${name}\\..\\admin`,
    ]) {
      const { status } = await curl(['--path-as-is', ...withToken(token), `${plain}${path}`]);
      expect([400, 403], path).toContain(status);
    }
    expect(stage.service.got).toHaveLength(before);
    const odd = `/${name}/%41%20b?x=%2e%2e/../y`;
    expect((await curl(['--path-as-is', ...withToken(token), `${plain}${odd}`])).body.url).toBe(odd);
  });

  it('streams bodies, and takes the last untrusted address', async () => {
    const { name, token } = await stage.addDevice();
    writeFileSync(stage.at('big'), Buffer.alloc(3_000_000, 'x'));
    const args = [...withToken(token), '-H', 'x-forwarded-for: 1.1.1.1, 192.0.2.7', '-T', 'big', `${plain}/${name}/a`];
    const { status, body } = await curl(args);
    expect([status, body.method, body.body.length]).toEqual([200, 'PUT', 3_000_000]);
    expect(pairsOf(body.rawHeaders as string[])).toContain('x-forwarded-for: 192.0.2.7');
    const chunked = await curl([...args.slice(0, 4), '-H', 'transfer-encoding: chunked', ...args.slice(4)]);
    expect([chunked.status, chunked.body.body.length]).toEqual([200, 3_000_000]);
  });

  it('refuses what two readers could frame differently, and reads nothing after it', async () => {
    const { name, token } = await stage.addDevice();
    const before = stage.service.got.length;
    const head = `Host: a\r\nAuthorization: Bearer ${token}\r\n`;
    const smuggled = `GET /${name}/smuggled HTTP/1.1\r\n${head}\r\n`;
    for (const framing of [
      'Content-Length: 3\r\nTransfer-Encoding: chunked',
      'Transfer-Encoding: gzip, chunked',
      'Content-Length: 3\r\nContent-Length: 4',
      'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity',
    ]) {
      const { text, closed } = await sendRaw(
        plain,
        `POST /${name}/a HTTP/1.1\r\n${head}${framing}\r\n\r\n0\r\n\r\n${smuggled}`,
      );
      expect(text, framing).toMatch(/^HTTP\/1\.1 400 /);
      expect(text.match(/HTTP\/1\.1 \d/g), framing).toHaveLength(1);
      expect(closed, framing).toBe(true);
    }
    expect(stage.service.got).toHaveLength(before);
  });

  it('passes upgrades, and ends them and open requests with the right to them; enforced is reported', async () => {
    const device = await stage.addDevice();
    const { name } = device;
    const files = { cert: readFileSync(stage.at(`${name}.crt`)), key: readFileSync(stage.at(`${name}.key`)) };
    const socket = connectTls({
      host: '127.0.0.1',
      port: edge.portOf(1),
      ca: readFileSync(stage.at('tls.crt')),
      servername: 'localhost',
      ...files,
    });
    let heard = '';
    socket.on('data', (octets) => (heard += octets.toString()));
    socket.on('error', () => {});
    socket.write(`GET /${name}/ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nover and out`);
    await eventually(
      () => heard,
      (text) => text.includes('101 Switching Protocols') && text.endsWith('over and out'),
    );
    const slow = spawn(
      'curl',
      ['-sS', '-N', '--cacert', 'tls.crt', ...certificateOf(name), `${required}/${name}/slow`],
      {
        cwd: stage.at(''),
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    );
    await once(slow.stdout, 'data');
    const shown = async () => (await stage.server.owner.get(`/v1/sessions?thing=${name}`)).body.items as object[];
    expect((await eventually(shown, (items) => items.length === 2))[0]).toMatchObject({
      thingName: name,
      protocol: 'https',
      proxyName: edge.name,
    });
    const aborted = stage.service.aborted();
    const revoked = await stage.server.owner.post(`/v1/certificates/${serialOf(device)}/revoke`, {
      reason: 'keyCompromise',
    });
    expect(revoked.status).toBe(200);
    const [[code]] = await Promise.all([once(slow, 'exit'), once(socket, 'close')]);
    expect(code).not.toBe(0);
    await eventually(stage.service.aborted, (count) => count === aborted + 2);
    const receipt = async () => (await stage.server.owner.get(`/v1/revocations/${revoked.body.position}`)).body;
    const body = await eventually(receipt, ({ items }) =>
      items.some((each: any) => each.name === edge.name && each.enforcedAt),
    );
    expect(body.items.find((each: any) => each.name === edge.name)).toMatchObject({
      sessions: true,
      sessionsClosed: 2,
    });
    const after = await curl([...certificateOf(name), `${required}/${name}/a`]);
    expect(after.status).toBe(0);
    expect((await curl([...withToken(device.token), `${plain}/${name}/a`])).status).toBe(401);
  });

  it('ends the session that an operator names, and the device may come back', async () => {
    const { name, token } = await stage.addDevice();
    const slow = spawn('curl', ['-sS', '-N', ...withToken(token), `${plain}/${name}/slow`], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    await once(slow.stdout, 'data');
    const shown = async () =>
      (await stage.server.owner.get(`/v1/sessions?thing=${name}`)).body.items as { id: string }[];
    const [session] = await eventually(shown, (items) => items.length === 1);
    expect((await stage.server.owner.send('DELETE', `/v1/sessions/${session!.id}`)).status).toBe(202);
    await once(slow, 'exit');
    expect((await curl([...withToken(token), `${plain}/${name}/a`])).status).toBe(200);
  });

  it('says how it is: metrics, readiness, and the clock of the machine', async () => {
    const ready = await fetch(`${edge.monitorUrl}/readyz`);
    expect([ready.status, await ready.json()]).toEqual([
      200,
      { status: 'ok', trust: 'live', draining: false, clockErrorSeconds: expect.any(Number) },
    ]);
    const metrics = await (await fetch(`${edge.monitorUrl}/metrics`)).text();
    expect(metrics).toMatch(/thingward_edge_decisions_total\{action="request",decision="deny"\} [1-9]/);
    expect(stage.lines.some((line) => line.startsWith('warn refused') && line.includes('no-matching-statement'))).toBe(
      true,
    );
  });
});

function pairsOf(raw: string[]): string[] {
  return raw.flatMap((name, at) => (at % 2 === 0 ? [`${name.toLowerCase()}: ${raw[at + 1]}`] : []));
}

function fingerprintOf(stage: EdgeStage, name: string): string {
  const text = runProgram('openssl', ['x509', '-in', stage.at(`${name}.crt`), '-noout', '-fingerprint', '-sha256']);
  return text
    .slice(text.indexOf('=') + 1)
    .trim()
    .replaceAll(':', '')
    .toLowerCase();
}
