import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { formatCode, signal } from '../../../src/edge/coap-messages/codes.js';
import type { Message } from '../../../src/edge/coap-messages/datagrams.js';
import { createMessageStream, writeStreamMessage } from '../../../src/edge/coap-messages/streams.js';
import { answersIn, coapClient, observe, sequenceOf, start } from '../../support/coap/device.js';
import { createEdgeStage, eventually, type EdgeStage } from '../../support/edge/stage.js';
import { serialOf } from '../../support/pki/crl.js';
import { runProgram } from '../../support/pki/openssl.js';
import { describeWith } from '../../support/programs.js';

type StartedEdge = Awaited<ReturnType<EdgeStage['startEdge']>>;
const none = Buffer.alloc(0);

describeWith(['mosquitto', 'mosquitto_pub', 'openssl', coapClient], 'CoAP over TLS and TCP', () => {
  let stage: EdgeStage;
  let edge: StartedEdge;
  let brokerPort: string;

  beforeAll(async () => {
    stage = await createEdgeStage();
    const url = await stage.startBroker();
    brokerPort = new URL(url).port;
    edge = await stage.startEdge(
      [
        { protocol: 'coaps+tcp', clientCertificates: 'required' },
        { protocol: 'coaps+tcp', clientCertificates: 'none' },
        { protocol: 'coap+tcp' },
      ],
      { upstream: { mqtt: { url } }, limits: { connectTimeout: '2s' } },
    );
  });
  afterAll(() => stage.stop());

  /** Starts libcoap with the certificate of a device. */
  const client = (method: string, path: string, device: string, more: string[] = []) => {
    const files = ['-C', 'tls.crt', '-c', `${device}.crt`, '-j', `${device}.key`];
    const url = `coaps+tcp://localhost:${edge.portOf(0)}/${path}`;
    const running = start(coapClient, ['-m', method, '-B', '4', '-v', '7', ...files, ...more, url], stage.at(''));
    stage.children.push(running.child);
    return running;
  };
  const tell = (topic: string, payload: string) =>
    start('mosquitto_pub', ['-p', brokerPort, '-q', '1', '-t', topic, '-m', payload], stage.at('')).ended;

  /** A connection of TLS, and the messages that came over it. */
  const open = async (nth: number, device?: string, isSilent = false) => {
    const files = device && {
      cert: readFileSync(stage.at(`${device}.crt`)),
      key: readFileSync(stage.at(`${device}.key`)),
    };
    const ca = readFileSync(stage.at('tls.crt'));
    const options = { host: '127.0.0.1', servername: 'localhost', port: edge.portOf(nth), ca, ALPNProtocols: ['coap'] };
    const socket: TLSSocket = connectTls({ ...options, ...files });
    const got: Message[] = [];
    const messages = createMessageStream(1_000_000, { take: (message) => got.push(message) > 0 });
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) => messages.push(bytes));
    const send = (code: number, more: Partial<Message> = {}) =>
      socket.write(writeStreamMessage({ code, token: none, options: [], payload: none, ...more }));
    if (!isSilent) send(signal.csm);
    const request = (code: number, path: string, more: Partial<Message> = {}) =>
      send(code, {
        ...more,
        options: [
          ...path.split('/').map((each) => ({ number: 11, value: Buffer.from(each) })),
          ...(more.options ?? []),
        ],
      });
    const words = () => got.map(({ code, payload }) => `${formatCode(code)} ${payload.toString()}`.trim());
    return { socket, got, send, request, words };
  };
  const closed = (socket: TLSSocket) => (socket.closed ? Promise.resolve() : once(socket, 'close'));

  it('serves libcoap by its certificate: publishes, reads, tells what it observes', async () => {
    const { name } = await stage.addDevice();
    const put = await client('put', `${name}/a`, name, ['-e', 'first']).ended;
    expect(answersIn(put)).toContain('2.04');
    const watcher = client('get', `${name}/a`, name, ['-s', '30', '-B', '30']);
    await eventually(watcher.said, (text) => text.includes('first'));
    await tell(`${name}/a`, 'second');
    await eventually(watcher.said, (text) => text.includes('second'));
    watcher.child.kill();
    expect(answersIn(await client('get', 'foreign/a', name).ended).at(-1)).toBe('4.03');
  });

  it('offers coap by ALPN, answers a ping, and takes a release', async () => {
    const { name } = await stage.addDevice();
    const { socket, got, send } = await open(0, name);
    await eventually(
      () => got.length,
      (count) => count === 1,
    );
    expect([socket.alpnProtocol, got[0]!.code]).toEqual(['coap', signal.csm]);
    send(signal.ping, { token: Buffer.from('abc') });
    await eventually(
      () => got.length,
      (count) => count === 2,
    );
    expect([got[1]!.code, got[1]!.token.toString()]).toEqual([signal.pong, 'abc']);
    send(signal.release);
    await closed(socket);
    expect(got).toHaveLength(2);
  });

  it('aborts what is no CoAP, what does not begin with CSM, and signals that it does not know', async () => {
    const { name } = await stage.addDevice();
    for (const octets of [
      Buffer.of(0x00, 0x01),
      Buffer.of(0x0f, 0xe1),
      Buffer.of(0xf0, 0xff, 0xff, 0xff, 0xff, 0x01),
      Buffer.of(0x10, 0xe1, 0x90),
    ]) {
      const { socket, words } = await open(0, name, true);
      socket.write(octets);
      await closed(socket);
      expect(words().at(-1), octets.toString('hex')).toMatch(/^7\.05 /);
    }
    const { socket } = await open(0, name);
    const at = performance.now();
    // It says nothing more: it never shows who it is.
    await closed(socket);
    expect(performance.now() - at).toBeGreaterThan(1500);
  });

  it('ends the connection with the certificate, within a second, before that is called enforced', async () => {
    const device = await stage.addDevice();
    const { name } = device;
    const { socket, got, request, words } = await open(0, name);
    request(1, `${name}/a`, { options: [observe(0)], token: Buffer.of(1) });
    await eventually(
      () => got.length,
      (count) => count === 2,
    );
    expect([words()[1], sequenceOf(got[1] as never)]).toEqual(['2.05', 2]);
    const [session] = await eventually(
      async () => (await stage.server.owner.get(`/v1/sessions?thing=${name}`)).body.items as { protocol: string }[],
      (items) => items.length === 1,
    );
    expect(session).toMatchObject({ protocol: 'coaps' });
    const { position } = (
      await stage.server.owner.post(`/v1/certificates/${serialOf(device)}/revoke`, { reason: 'keyCompromise' })
    ).body;
    const at = performance.now();
    await closed(socket);
    expect(performance.now() - at).toBeLessThan(1000);
    expect(words().slice(2)).toEqual([
      expect.stringMatching(/^4\.01 certificate-revoked/),
      expect.stringMatching(/^7\.05 certificate-revoked/),
    ]);
    await eventually(
      async () => (await stage.server.owner.get(`/v1/revocations/${position}`)).body,
      ({ items }) => items.some((each: any) => each.name === edge.name && each.enforcedAt && each.sessionsClosed === 1),
    );
    const again = await open(0, name);
    await closed(again.socket);
    expect(again.got).toEqual([]);
  });

  it('refuses a certificate of somebody else before it reads anything', async () => {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    runProgram('openssl', [
      'req',
      '-x509',
      ...key,
      '-days',
      '3',
      '-subj',
      '/CN=x',
      '-keyout',
      stage.at('foreign.key'),
      '-out',
      stage.at('foreign.crt'),
    ]);
    for (const device of ['foreign', undefined]) {
      const { socket, got } = await open(0, device);
      await closed(socket);
      expect(got).toEqual([]);
    }
    expect(stage.lines.join('\n')).toContain('the client certificate was not signed by an issuer of this account');
  });

  it('takes a token once for a connection without certificates, renews it, and keeps to one thing', async () => {
    const [{ name, token }, other] = [await stage.addDevice(), await stage.addDevice()];
    const { got, request, words, socket } = await open(1);
    const shown = (text: string) => ({ number: 65_001, value: Buffer.from(text) });
    request(2, `${name}/a`, { payload: Buffer.from('x') });
    request(2, `${name}/a`, { payload: Buffer.from('x'), options: [shown(token)] });
    request(2, `${name}/a`, { payload: Buffer.from('y') });
    request(2, `${other.name}/a`, { payload: Buffer.from('y'), options: [shown(other.token)] });
    await eventually(
      () => got.length,
      (count) => count === 5,
    );
    expect(words().slice(1).sort()).toEqual([
      '2.04',
      '2.04',
      expect.stringMatching(/^4\.01 show a client certificate/),
      expect.stringMatching(/^4\.03 this connection belongs/),
    ]);
    socket.destroy();
    const plain = start(
      coapClient,
      [
        '-m',
        'post',
        '-B',
        '4',
        '-v',
        '7',
        '-O',
        `65001,${token}`,
        '-e',
        'x',
        `coap+tcp://127.0.0.1:${edge.portOf(2)}/${name}/a`,
      ],
      stage.at(''),
    );
    expect(answersIn(await plain.ended)).toContain('2.04');
  });

  it('ends a certificate that expires, and lets in none that has', async () => {
    const device = await stage.addDevice();
    const { socket, got, request, words } = await open(0, device.name);
    request(1, `${device.name}/a`, { options: [observe(0)], token: Buffer.of(1) });
    await eventually(
      () => got.length,
      (count) => count === 2,
    );
    const { notAfter } = (await stage.server.owner.get(`/v1/certificates/${serialOf(device)}`)).body;
    stage.server.advance((Date.parse(notAfter as string) - stage.server.now().getTime()) / 1000 + 1);
    await closed(socket);
    expect(words().at(-1)).toMatch(/^7\.05 certificate-expired/);
    const again = await open(0, device.name);
    await closed(again.socket);
    expect(again.got).toEqual([]);
  });
});
