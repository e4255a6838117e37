import fc from 'fast-check';
import { createServer, connect, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import {
  longestHeader,
  readProxyHeader,
  takeProxyHeader,
  type ProxyHeader,
} from '../../../src/edge/arrivals/proxy-protocol.js';

const v1 = (line: string): Buffer => Buffer.from(`${line}\r\n`, 'latin1');

type V2 = {
  version?: number;
  command?: number;
  family?: number;
  transport?: number;
  addresses?: number[];
  length?: number;
  tlvs?: number[];
};
const v2 = ({
  version = 2,
  command = 1,
  family = 1,
  transport = 1,
  addresses = [192, 0, 2, 7, 198, 51, 100, 1, 1, 2, 3, 4],
  length,
  tlvs = [],
}: V2): Buffer => {
  const rest = Buffer.from([...addresses, ...tlvs]);
  const head = Buffer.from([
    ...Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1'),
    (version << 4) | command,
    (family << 4) | transport,
    0,
    0,
  ]);
  head.writeUInt16BE(length ?? rest.length, 14);
  return Buffer.concat([head, rest]);
};
const inet6 = [0x20, 1, 0xd, 0xb8, ...Array<number>(11).fill(0), 9, ...Array<number>(16).fill(0), 1, 2, 3, 4];

const good: [name: string, octets: Buffer, source: string | undefined][] = [
  ['TCP4', v1('PROXY TCP4 192.0.2.7 198.51.100.1 56324 443'), '192.0.2.7'],
  ['TCP6', v1('PROXY TCP6 2001:db8:0:0:0:0:0:9 ::1 56324 443'), '2001:db8::9'],
  ['UNKNOWN', v1('PROXY UNKNOWN'), undefined],
  ['UNKNOWN with more', v1('PROXY UNKNOWN ffff::1 ffff::2 1 2'), undefined],
  ['version 2 of IPv4', v2({}), '192.0.2.7'],
  ['version 2 of IPv6', v2({ family: 2, addresses: inet6 }), '2001:db8::9'],
  [
    'version 2 of IPv4 in IPv6',
    v2({ family: 2, addresses: [...Array<number>(10).fill(0), 255, 255, 192, 0, 2, 7, ...inet6.slice(16)] }),
    '192.0.2.7',
  ],
  ['version 2 with extensions', v2({ tlvs: [4, 0, 3, 1, 2, 3, 0x20, 0xff, 0xff, 1] }), '192.0.2.7'],
  ['LOCAL', v2({ command: 0, family: 0, transport: 0, addresses: [] }), undefined],
  ['LOCAL with addresses', v2({ command: 0 }), undefined],
  ['UNSPEC', v2({ family: 0, transport: 0, addresses: [] }), undefined],
  ['a Unix socket', v2({ family: 3, addresses: Array<number>(216).fill(0) }), undefined],
];

const bad: [name: string, octets: Buffer][] = [
  ['nothing of it', Buffer.from('GET / HTTP/1.1\r\n')],
  ['a CONNECT of MQTT', Buffer.from([0x10, 0x0c, 0, 4, 0x4d, 0x51, 0x54, 0x54])],
  ['another family', v1('PROXY UDP4 192.0.2.7 198.51.100.1 1 2')],
  ['IPv6 as TCP4', v1('PROXY TCP4 ::1 ::1 1 2')],
  ['IPv4 as TCP6', v1('PROXY TCP6 192.0.2.7 192.0.2.7 1 2')],
  ['a port that is too large', v1('PROXY TCP4 192.0.2.7 198.51.100.1 65536 443')],
  ['a port with a leading zero', v1('PROXY TCP4 192.0.2.7 198.51.100.1 0443 443')],
  ['a missing port', v1('PROXY TCP4 192.0.2.7 198.51.100.1 443')],
  ['two blanks', v1('PROXY TCP4  192.0.2.7 198.51.100.1 1 2')],
  ['an octal address', v1('PROXY TCP4 0300.0.2.7 198.51.100.1 1 2')],
  ['small letters', v1('proxy TCP4 192.0.2.7 198.51.100.1 1 2')],
  ['a line without an end', Buffer.from(`PROXY TCP4 ${'1'.repeat(200)}`)],
  ['version 1 in version 2', v2({ version: 1 })],
  ['an unknown command', v2({ command: 2 })],
  ['an unknown family', v2({ family: 4 })],
  ['an unknown transport', v2({ transport: 3 })],
  ['addresses that are cut short', v2({ addresses: [1, 2, 3] })],
  ['a length beyond the limit', v2({ length: longestHeader })],
  ['the largest length', v2({ length: 65_535 })],
];

/** The first answer of the reader that is final, given the octets piece by piece. */
const readInPieces = (octets: Buffer, cuts: number[]) => {
  const places = [...new Set(cuts.map((cut) => cut % (octets.length + 1))), octets.length].sort((a, b) => a - b);
  for (const place of places) {
    if (place === 0) continue;
    const reading = readProxyHeader(octets.subarray(0, place));
    if (reading.kind !== 'more') return reading;
  }
  return readProxyHeader(octets);
};

describe('the PROXY protocol', () => {
  for (const [name, octets, source] of good) {
    it(`reads ${name}, and leaves what follows`, () => {
      const reading = readProxyHeader(Buffer.concat([octets, Buffer.from('rest')]));
      expect(reading).toEqual({ kind: 'header', length: octets.length, source });
    });
    it(`waits for more of ${name} at every octet`, () => {
      for (let length = 1; length < octets.length; length++)
        expect(readProxyHeader(octets.subarray(0, length)), String(length)).toEqual({ kind: 'more' });
    });
  }
  for (const [name, octets] of bad) it(`refuses ${name}`, () => expect(readProxyHeader(octets).kind).toBe('malformed'));

  it('says the same for any split of any octets', () => {
    const seeds = [...good, ...bad].map(([, octets]) => octets);
    const mutated = fc
      .tuple(fc.constantFrom(...seeds), fc.array(fc.tuple(fc.nat(300), fc.nat(255)), { maxLength: 3 }))
      .map(([seed, changes]) => {
        const copy = Buffer.from(seed);
        for (const [at, octet] of changes) copy[at % copy.length] = octet;
        return copy;
      });
    fc.assert(
      fc.property(mutated, fc.array(fc.nat(300), { maxLength: 8 }), (octets, cuts) => {
        expect(readInPieces(octets, cuts).kind).toBe(readProxyHeader(octets).kind);
      }),
      { numRuns: 3000 },
    );
  });

  it('takes the header off a connection that brings one octet at a time, and leaves the rest in it', async () => {
    const taken: (ProxyHeader | undefined)[] = [];
    let rest = '';
    const server = createServer((socket) => {
      void takeProxyHeader(socket).then((header) => {
        taken.push(header);
        socket.on('data', (octets) => (rest += octets.toString()));
        socket.on('end', () => socket.end());
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    client.setNoDelay(true);
    for (const octet of v1('PROXY TCP4 192.0.2.7 198.51.100.1 56324 443')) {
      client.write(Buffer.from([octet]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    client.end('hello');
    client.resume();
    await once(client, 'close');
    server.close();
    expect(taken).toEqual([{ kind: 'header', length: 45, source: '192.0.2.7' }]);
    expect(rest).toBe('hello');
  });
});
