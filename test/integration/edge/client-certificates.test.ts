import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createEdgeStage, eventually, type EdgeStage } from '../../support/edge/stage.js';
import { serialOf } from '../../support/pki/crl.js';
import { runProgram } from '../../support/pki/openssl.js';
import { describeWith } from '../../support/programs.js';

type StartedEdge = Awaited<ReturnType<EdgeStage['startEdge']>>;

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

describeWith(['openssl'], 'client certificates at an edge', () => {
  let stage: EdgeStage;
  let edge: StartedEdge;

  beforeAll(async () => {
    stage = await createEdgeStage();
    edge = await stage.startEdge(
      ['mqtts', 'wss', 'https'].flatMap((protocol) =>
        ['required', 'optional'].map((clientCertificates) => ({ protocol, clientCertificates })),
      ),
      { upstream: { http: { url: stage.serviceUrl }, mqtt: { url: 'mqtt://127.0.0.1:9' } } },
    );
  });
  afterAll(() => stage.stop());

  /** Opens a TLS connection with a certificate, and perhaps an earlier session, and sends something. */
  const open = (port: number, file: string | undefined, octets: string | Buffer, session?: Buffer) => {
    const files = file && {
      cert: readFileSync(stage.at(`${file}.crt`)),
      key: readFileSync(stage.at(`${file}.key`)),
    };
    const socket = connect({
      host: '127.0.0.1',
      port,
      servername: 'localhost',
      ca: readFileSync(stage.at('tls.crt')),
      ...files,
      ...(session && { session }),
    });
    let text = '';
    let ticket: Buffer | undefined;
    let isResumed = false;
    socket.once('secureConnect', () => (isResumed = socket.isSessionReused()));
    socket.on('data', (given) => (text += given.toString('latin1')));
    socket.on('session', (given) => (ticket = given));
    socket.on('error', () => {});
    socket.write(octets);
    return { socket, text: () => text, ticket: () => ticket, isResumed: () => isResumed };
  };
  const closed = (socket: TLSSocket) => (socket.closed ? Promise.resolve() : once(socket, 'close'));

  /** What a listener answers to whoever has a certificate, until it closes. */
  const answerOf = async (port: number, file: string | undefined, octets: string | Buffer): Promise<string> => {
    const { socket, text } = open(port, file, octets);
    await closed(socket);
    return text();
  };
  const get = (name: string, connection = 'close') =>
    `GET /${name}/a HTTP/1.1\r\nHost: a\r\nConnection: ${connection}\r\n\r\n`;
  const httpsPort = () => edge.portOf(4);

  /** A certificate that an authority of the same name signed, which is not the account's. */
  const forge = (file: string, device: string, days: string[]): void => {
    const { at } = stage;
    const issuer = runProgram('openssl', [
      'x509',
      '-in',
      at(`${device}.crt`),
      '-noout',
      '-issuer',
      '-nameopt',
      'compat',
    ]);
    const subject = issuer.slice(issuer.indexOf('/')).trim();
    const authority = ['-subj', subject, '-keyout', at('ca.key'), '-out', at('ca.crt')];
    runProgram('openssl', ['req', '-x509', ...newKey, '-days', '30', ...authority]);
    const request = ['-subj', `/CN=${device}`, '-keyout', at(`${file}.key`), '-out', at(`${file}.csr`)];
    runProgram('openssl', ['req', '-new', ...newKey, ...request]);
    writeFileSync(at('index.txt'), '');
    writeFileSync(at('serial'), '01\n');
    const files = `database=${at('index.txt')}\nserial=${at('serial')}\nnew_certs_dir=${at('')}`;
    writeFileSync(
      at('ca.cnf'),
      `[ca]\ndefault_ca=d\n[d]\n${files}\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n`,
    );
    runProgram('openssl', [
      ...['ca', '-batch', '-config', at('ca.cnf'), '-cert', at('ca.crt'), '-keyfile', at('ca.key')],
      ...['-in', at(`${file}.csr`), '-out', at(`${file}.crt`), '-notext', ...days],
    ]);
  };

  it('that are forged are refused by every listener before it reads anything, expired or not', async () => {
    const { name } = await stage.addDevice();
    forge('forged', name, ['-days', '10']);
    forge('forged-expired', name, ['-startdate', '200101000000Z', '-enddate', '210101000000Z']);
    const upgrade = `GET /mqtt HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n`;
    const hello = Buffer.from('100d00044d5154540402003c000161', 'hex');
    const before = stage.service.got.length;
    for (const file of ['forged', 'forged-expired'])
      for (const [nth, octets] of [hello, hello, upgrade, upgrade, get(name), get(name)].entries())
        expect(await answerOf(edge.portOf(nth), file, octets), `${file} ${nth}`).toBe('');
    for (const nth of [0, 2, 4]) expect(await answerOf(edge.portOf(nth), undefined, get(name)), String(nth)).toBe('');
    expect(stage.service.got).toHaveLength(before);
    const because = 'the client certificate was not signed by an issuer of this account';
    expect(stage.lines.some((line) => line.includes(because))).toBe(true);
  });

  it('that are good are let in again in a resumed session, and not after they are revoked', async () => {
    const device = await stage.addDevice();
    const first = open(httpsPort(), device.name, get(device.name));
    await closed(first.socket);
    expect(first.text()).toMatch(/^HTTP\/1\.1 200 /);
    const second = open(httpsPort(), device.name, get(device.name), first.ticket());
    await closed(second.socket);
    expect(second.isResumed()).toBe(true);
    expect(second.text()).toMatch(/^HTTP\/1\.1 200 /);
    await stage.server.owner.post(`/v1/certificates/${serialOf(device)}/revoke`, { reason: 'keyCompromise' });
    const third = open(httpsPort(), device.name, get(device.name), first.ticket());
    await closed(third.socket);
    expect(third.text()).toBe('');
  });

  it('end their connection, even between two requests, and only theirs', async () => {
    const [device, other] = [await stage.addDevice(), await stage.addDevice()];
    const [idle, stays] = [device, other].map(({ name }) => open(httpsPort(), name, get(name, 'keep-alive')));
    for (const each of [idle!, stays!]) await eventually(each.text, (text) => text.includes('200 OK'));
    expect((await stage.server.owner.post(`/v1/things/${device.name}/suspend`)).status).toBe(200);
    await closed(idle!.socket);
    const more = stays!.text().length;
    stays!.socket.write(get(other.name, 'keep-alive'));
    await eventually(stays!.text, (text) => text.length > more);
    stays!.socket.destroy();
  });

  it('that expire by the clock of the control plane are refused', async () => {
    const device = await stage.addDevice();
    const live = open(httpsPort(), device.name, get(device.name, 'keep-alive'));
    await eventually(live.text, (text) => text.includes('200 OK'));
    const { notAfter } = device.answer.body.certificate as { notAfter: string };
    stage.server.advance((Date.parse(notAfter) - stage.server.now().getTime()) / 1000 + 1);
    await stage.server.services.chores.run('tell-edge-streams-the-head');
    await closed(live.socket);
    expect(await answerOf(httpsPort(), device.name, get(device.name))).toBe('');
    const ready = (await (await fetch(`${edge.monitorUrl}/readyz`)).json()) as { clockErrorSeconds: number };
    expect(ready.clockErrorSeconds).toBeLessThan(-3600);
  });
});
