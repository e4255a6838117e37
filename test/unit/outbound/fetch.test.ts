import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createGuardedFetch, OutboundRefusal } from '../../../src/outbound/fetch.js';
import { isPublic } from '../../../src/outbound/reachable.js';

/** Addresses in every spelling that reach this machine, a private network, or what clouds tell their own. */
const forbidden = [
  ...[
    '127.0.0.1',
    '127.1',
    '127.0.1',
    '2130706433',
    '0x7f000001',
    '0x7f.0.0.1',
    '0177.0.0.1',
    '017700000001',
    '127.255.255.254',
  ],
  ...[
    '0',
    '0.0.0.0',
    '0x0',
    '10.0.0.1',
    '10.255.255.255',
    '172.16.0.1',
    '172.31.255.254',
    '192.168.0.1',
    '192.168.255.255',
  ],
  ...[
    '169.254.169.254',
    '169.254.0.1',
    '2852039166',
    '0xa9fea9fe',
    '100.64.0.1',
    '100.127.255.255',
    '192.0.0.1',
    '192.0.2.1',
  ],
  ...[
    '198.18.0.1',
    '198.19.255.255',
    '198.51.100.1',
    '203.0.113.1',
    '224.0.0.1',
    '239.255.255.255',
    '240.0.0.1',
    '255.255.255.255',
  ],
  ...[
    '[::]',
    '[::1]',
    '[0:0:0:0:0:0:0:1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[::ffff:10.0.0.1]',
    '[::127.0.0.1]',
  ],
  ...[
    '[::ffff:169.254.169.254]',
    '[::ffff:0:127.0.0.1]',
    '[64:ff9b::7f00:1]',
    '[64:ff9b:1::1]',
    '[100::1]',
    '[fe80::1]',
    '[feb0::1]',
  ],
  ...[
    '[fec0::1]',
    '[fc00::1]',
    '[fd00:ec2::254]',
    '[fdff::1]',
    '[ff02::1]',
    '[2001::1]',
    '[2001:db8::1]',
    '[2002:7f00:1::]',
  ],
  ...['[2002:a00:1::]', '[2001:10::1]', '[3fff::1]', '[4000::1]', '[8000::1]', '[e000::1]'],
];

const open = [
  '93.184.216.34',
  '1.1.1.1',
  '100.63.255.255',
  '100.128.0.0',
  '172.15.255.255',
  '172.32.0.0',
  '2606:4700::1111',
  '2a00::1',
];

describe('the guarded fetch', () => {
  let server: Server;
  let port: number;
  let asked: string[] = [];

  beforeAll(async () => {
    server = createServer((request, response) => {
      asked.push(`${request.method} ${request.headers.host} ${request.url}`);
      if (request.url === '/redirect') response.writeHead(302, { location: '/elsewhere' }).end();
      else if (request.url === '/long') response.end('x'.repeat(5000));
      else if (request.url === '/silent') return;
      else request.pipe(response.writeHead(200, { 'x-said': 'yes' }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    ({ port } = server.address() as AddressInfo);
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  const names =
    (...addresses: string[]) =>
    async () =>
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  const refused = async (work: Promise<unknown>, what: string) => {
    const error: unknown = await work.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error, what).toBeInstanceOf(OutboundRefusal);
  };

  it('asks no address that is not one of the internet, however it is spelled, by whatever scheme', async () => {
    const fetch = createGuardedFetch({ listed: [] });
    asked = [];
    const urls = forbidden.flatMap((host) => [
      `http://${host}:${port}/`,
      `https://${host}:${port}/`,
      ...(host.startsWith('[') ? [] : [`http://${host}.:${port}/`, `https://${host}.:${port}/`]),
    ]);
    expect(urls.length).toBeGreaterThan(150);
    for (const url of urls) await refused(fetch(url), url);
    expect(asked).toEqual([]);
    for (const address of open) expect(isPublic(address), address).toBe(true);
    for (const address of ['', 'x', '127.1', 'fe80::1%eth0', '1.2.3.4.5'])
      expect(isPublic(address), address).toBe(false);
  });

  it('asks no name that has one such address, and no other scheme, user or plain http', async () => {
    asked = [];
    for (const host of forbidden.map((each) => new URL(`http://${each}`).hostname.replace(/^\[|\]$/g, ''))) {
      const fetch = createGuardedFetch({ listed: [], resolve: names('93.184.216.34', host) });
      await refused(fetch(`https://tenant.example:${port}/`), host);
    }
    const fetch = createGuardedFetch({ listed: [], resolve: names('93.184.216.34') });
    for (const url of [
      'http://tenant.example/',
      'ftp://tenant.example/',
      'file:///etc/passwd',
      'data:,x',
      'https://a:b@tenant.example/',
      'https://127.0.0.1@tenant.example/',
    ])
      await refused(fetch(url), url);
    expect(asked).toEqual([]);
  });

  it('goes to the address that was checked, whatever the name says a moment later', async () => {
    let times = 0;
    const rebinding = async () => [{ address: times++ === 0 ? '127.0.0.2' : '127.0.0.1', family: 4 }];
    const fetch = createGuardedFetch({ listed: ['127.0.0.2/32'], resolve: rebinding });
    asked = [];
    // Nothing listens at the first address, and the second is never reached.
    await expect(fetch(`http://tenant.example:${port}/`)).rejects.toThrow(/ECONNREFUSED/);
    expect([asked, times]).toEqual([[], 1]);
    const direct = createGuardedFetch({ listed: ['127.0.0.0/8'], resolve: names('127.0.0.1') });
    const answer = await direct(`http://tenant.example:${port}/x?y=1`, {
      method: 'POST',
      body: 'said',
      headers: { 'x-a': 'b' },
    });
    expect([answer.status, await answer.text(), answer.headers.get('x-said')]).toEqual([200, 'said', 'yes']);
    expect(asked).toEqual([`POST tenant.example:${port} /x?y=1`]);
  });

  it('follows no redirect, reads no answer without end, and does not wait for ever', async () => {
    const fetch = createGuardedFetch({ listed: ['127.0.0.1'], mostOctets: 4096, mostMs: 200 });
    asked = [];
    const redirect = await fetch(`http://127.0.0.1:${port}/redirect`);
    expect([redirect.status, redirect.headers.get('location')]).toEqual([302, '/elsewhere']);
    expect(asked).toHaveLength(1);
    await refused(fetch(`http://127.0.0.1:${port}/long`), 'long');
    await expect(fetch(`http://127.0.0.1:${port}/silent`)).rejects.toThrow(/abort|timeout/i);
  });
});
