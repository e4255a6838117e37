import type { Socket } from 'node:net';
import { formatAddress } from './client-address.js';

/**
 * The PROXY protocol, versions 1 and 2, as HAProxy specifies it (https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt).
 */

/** What a header says. Without a source it is a check of the proxy itself (LOCAL, UNKNOWN). */
export type ProxyHeader = { kind: 'header'; length: number; source: string | undefined };

/** What the first octets of a connection are. */
export type Reading = ProxyHeader | { kind: 'more' } | { kind: 'malformed'; detail: string };

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const fixedPart = 16;
const longestV1 = 107;
/** Far more than addresses and the extensions of load balancers need. */
export const longestHeader = 4096;

const v1Start = Buffer.from('PROXY ', 'latin1');
const more = { kind: 'more' } as const;

/** Reads a header from the first octets of a connection. Extensions (TLVs) are passed over unread. */
export function readProxyHeader(octets: Buffer): Reading {
  if (startsAlike(octets, signature)) return octets.length < fixedPart ? more : readV2(octets);
  if (startsAlike(octets, v1Start)) return readV1(octets);
  return malformed('it does not begin with a PROXY header');
}

/** True when the octets, at least one, are those that the mark begins with. */
function startsAlike(octets: Buffer, mark: Buffer): boolean {
  const length = Math.min(octets.length, mark.length);
  return octets.subarray(0, length).equals(mark.subarray(0, length));
}

function readV1(octets: Buffer): Reading {
  const line = octets.subarray(0, longestV1);
  const end = line.indexOf('\r\n');
  if (end < 0) return octets.length < longestV1 ? more : malformed('its line has more than 107 octets');
  const words = line.toString('latin1', 0, end).split(' ');
  const length = end + 2;
  if (words[1] === 'UNKNOWN') return { kind: 'header', length, source: undefined };
  const source = sourceOfWords(words);
  if (source !== undefined) return { kind: 'header', length, source };
  return malformed('its line is not TCP4, TCP6 or UNKNOWN with two addresses and two ports');
}

function sourceOfWords(words: string[]): string | undefined {
  const [, family, source = '', destination = '', sourcePort = '', destinationPort = ''] = words;
  if (words.length !== 6 || (family !== 'TCP4' && family !== 'TCP6')) return undefined;
  if (!isPort(sourcePort) || !isPort(destinationPort)) return undefined;
  return addressOf(family, destination) && addressOf(family, source);
}

function addressOf(family: string, text: string): string | undefined {
  return (family === 'TCP6') === text.includes(':') ? formatAddress(text) : undefined;
}

function isPort(text: string): boolean {
  return /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535;
}

const addressOctets: Readonly<Record<number, number>> = { 0x1: 12, 0x2: 36 };

function readV2(octets: Buffer): Reading {
  const [version, command, family, transport] = [
    octets[12]! >> 4,
    octets[12]! & 15,
    octets[13]! >> 4,
    octets[13]! & 15,
  ];
  if (version !== 2 || command > 1) return malformed('its version or command is unknown');
  if (family > 3 || transport > 2) return malformed('its family or transport is unknown');
  const size = octets.readUInt16BE(14);
  const length = fixedPart + size;
  if (length > longestHeader) return malformed(`it has more than ${longestHeader} octets`);
  const needed = addressOctets[family];
  if (command === 1 && needed !== undefined && size < needed) return malformed('its addresses are cut short');
  if (octets.length < length) return more;
  const isAddress = command === 1 && needed !== undefined && transport === 1;
  return { kind: 'header', length, source: isAddress ? sourceOf(octets, family) : undefined };
}

function sourceOf(octets: Buffer, family: number): string | undefined {
  const bytes = octets.subarray(fixedPart, fixedPart + (family === 1 ? 4 : 16));
  if (family === 1) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(at * 2).toString(16));
  return formatAddress(groups.join(':'));
}

const malformed = (detail: string): Reading => ({ kind: 'malformed', detail });

/**
 * Takes the header off a connection. What comes after it stays in the socket, unread. Resolves with undefined when the
 * connection ends before. @throws Error when the header is malformed
 */
export function takeProxyHeader(socket: Socket): Promise<ProxyHeader | undefined> {
  return new Promise((resolve, reject) => {
    let octets: Buffer = Buffer.alloc(0);
    const finish = (): void => {
      socket.off('readable', look).off('close', gone);
    };
    const gone = (): void => {
      finish();
      resolve(undefined);
    };
    const look = (): void => {
      for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read() as Buffer | null) {
        octets = octets.length === 0 ? chunk : Buffer.concat([octets, chunk]);
        const reading = readProxyHeader(octets);
        if (reading.kind === 'more') continue;
        finish();
        if (reading.kind === 'malformed') return reject(new Error(`the PROXY header is malformed: ${reading.detail}`));
        if (octets.length > reading.length) socket.unshift(octets.subarray(reading.length));
        return resolve(reading);
      }
    };
    socket.on('readable', look).once('close', gone);
  });
}
