import { createServer, type IncomingMessage } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { Guest } from '../../../src/edge/gate.js';
import { framingFault, toClient, toUpstream } from '../../../src/edge/http-proxy/headers.js';
import { upgradeFault } from '../../../src/edge/http-proxy/upgrade.js';

const guest: Guest = {
  account: 'acme',
  thingName: 'pump-1',
  thingId: 'x',
  fingerprint: 'ab'.repeat(32),
  expiresAt: 0,
  byToken: true,
};

/** What Node makes of a request, or undefined when Node refuses it. */
async function read(text: string): Promise<IncomingMessage | undefined> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const arrived = new Promise<IncomingMessage | undefined>((resolve) => {
    for (const event of ['request', 'upgrade', 'checkExpectation']) server.once(event, resolve);
    server.once('clientError', () => resolve(undefined));
  });
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1', () => client.write(text));
  client.on('error', () => {});
  const message = await arrived;
  client.destroy();
  server.close();
  server.closeAllConnections();
  return message;
}

const sent = (lines: string[], first = 'GET /a HTTP/1.1') => read([first, 'Host: edge', ...lines, '', ''].join('\r\n'));

const upstreamOf = async (lines: string[], first?: string): Promise<string[]> => {
  const raw = toUpstream((await sent(lines, first))!, guest, '192.0.2.1', 'upstream:3000');
  return raw.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${raw[at + 1]}`] : []));
};

const own = [
  'host: upstream:3000',
  'x-thingward-account: acme',
  'x-thingward-thing: pump-1',
  `x-thingward-fingerprint: ${'ab'.repeat(32)}`,
  'x-forwarded-for: 192.0.2.1',
];

describe('what the upstream gets of a request', () => {
  it('has what the client may say, as often and as it said it, and who the client is', async () => {
    const got = await upstreamOf(['X-One: 1', 'x-ONE: 2', 'Cookie: a=b', 'Accept: */*']);
    expect(got.filter((line) => !own.includes(line))).toEqual(['X-One: 1', 'x-ONE: 2', 'Cookie: a=b', 'Accept: */*']);
    for (const line of own) expect(got).toContain(line);
  });

  const removed = [
    'Authorization: Bearer secret',
    'AUTHORIZATION: Bearer secret',
    'Connection: x-one, close',
    'Keep-Alive: 5',
    'Proxy-Connection: keep-alive',
    'Proxy-Authorization: Basic x',
    'TE: trailers',
    'Trailer: x-two',
    'Upgrade: foo',
    'Expect: 200-maybe',
    'X-Thingward-Thing: root',
    'X_Thingward_Thing: root',
    'x-thingward_account: root',
    'X-Thingward-Anything: root',
    'Forwarded: for=1.2.3.4',
    'X-Forwarded-For: 1.2.3.4',
    'X_Forwarded_For: 1.2.3.4',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Host: other',
    'X-Original-URL: /admin',
    'X_Original_URL: /admin',
    'X-Rewrite-Url: /admin',
    'X-HTTP-Method-Override: DELETE',
    'X-HTTP-Method: DELETE',
    'X-Method-Override: DELETE',
    'X-Real-IP: 1.2.3.4',
    'Content_Length: 7',
    'Transfer_Encoding: chunked',
  ];
  for (const line of removed)
    it(`has no ${line}`, async () => {
      const got = await upstreamOf([line]);
      expect(got.sort()).toEqual([...own].sort());
    });

  it('has nothing that Connection names, and what the edge adds all the same', async () => {
    const got = await upstreamOf([
      'X-One: 1',
      'X_Two: 2',
      'Connection: x-one, X-TWO, host, x-thingward-thing, x-forwarded-for',
    ]);
    expect(got.sort()).toEqual([...own].sort());
  });

  it('is framed as the request was', async () => {
    expect(await upstreamOf(['Content-Length: 5'], 'POST /a HTTP/1.1')).toContain('content-length: 5');
    expect(await upstreamOf(['Content-Length: 5', 'Connection: content-length'], 'POST /a HTTP/1.1')).toContain(
      'content-length: 5',
    );
    expect(await upstreamOf(['Transfer-Encoding: chunked'], 'POST /a HTTP/1.1')).toContain(
      'transfer-encoding: chunked',
    );
    expect(await upstreamOf([], 'POST /a HTTP/1.1')).toContain('content-length: 0');
    expect((await upstreamOf([])).some((line) => line.startsWith('content-length'))).toBe(false);
  });
});

describe('framing', () => {
  const doubtful: string[][] = [
    ['Content-Length: 5', 'Transfer-Encoding: chunked'],
    ['Transfer-Encoding: chunked', 'Content-Length: 5'],
    ['Transfer-Encoding: gzip, chunked'],
    ['Transfer-Encoding: identity'],
    ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'],
    ['Transfer-Encoding: xchunked'],
    ['Transfer-Encoding : chunked'],
    ['Content-Length: 5', 'Content-Length: 6'],
    ['Content-Length: 5, 5'],
    ['Content-Length: +5'],
    ['Content-Length: -5'],
    ['Content-Length: 0x5'],
    ['Host: other'],
    ['X-One: a\r\n b: c\nd'],
  ];
  for (const lines of doubtful)
    it(`${JSON.stringify(lines)} is refused, by Node or by the edge`, async () => {
      const message = await sent(lines, 'POST /a HTTP/1.1');
      if (message) expect(framingFault(message)).toBeDefined();
    });

  it('HTTP/1.0 with chunks is refused', async () => {
    const message = await sent(['Transfer-Encoding: chunked'], 'POST /a HTTP/1.0');
    if (message) expect(framingFault(message)).toBeDefined();
  });

  it('one length, one coding and neither are good', async () => {
    for (const lines of [['Content-Length: 5'], ['Transfer-Encoding: chunked'], ['Transfer-Encoding: Chunked'], []])
      expect(framingFault((await sent(lines, 'POST /a HTTP/1.1'))!), JSON.stringify(lines)).toBeUndefined();
  });
});

describe('upgrades', () => {
  const table: [lines: string[], first: string, isGood: boolean][] = [
    [['Connection: Upgrade', 'Upgrade: websocket'], 'GET /a HTTP/1.1', true],
    [['Connection: Upgrade', 'Upgrade: echo'], 'GET /a HTTP/1.1', true],
    [['Connection: Upgrade', 'Upgrade: h2c'], 'GET /a HTTP/1.1', false],
    [['Connection: Upgrade', 'Upgrade: HTTP/2.0'], 'GET /a HTTP/1.1', false],
    [['Connection: Upgrade', 'Upgrade: TLS/1.0'], 'GET /a HTTP/1.1', false],
    [['Connection: Upgrade', 'Upgrade: websocket, h2c'], 'GET /a HTTP/1.1', false],
    [['Connection: Upgrade', 'Upgrade: websocket'], 'POST /a HTTP/1.1', false],
    [['Connection: Upgrade', 'Upgrade: websocket', 'Content-Length: 5'], 'GET /a HTTP/1.1', false],
  ];
  for (const [lines, first, isGood] of table)
    it(`${first} with ${lines.join(', ')} is ${isGood ? 'passed on' : 'refused'}`, async () => {
      const message = await sent(lines, first);
      expect(message === undefined ? false : upgradeFault(message) === undefined).toBe(isGood);
    });
});

describe('what the client gets of an answer', () => {
  it('has no header that concerns one connection alone', () => {
    const rawHeaders = [
      'Content-Type',
      'text/plain',
      'Connection',
      'x-one',
      'X-One',
      '1',
      'Keep-Alive',
      '5',
      'Set-Cookie',
      'a',
      'Set-Cookie',
      'b',
    ];
    const answer = { headers: { connection: 'x-one' }, rawHeaders } as unknown as IncomingMessage;
    expect(toClient(answer)).toEqual(['Content-Type', 'text/plain', 'Set-Cookie', 'a', 'Set-Cookie', 'b']);
  });
});
