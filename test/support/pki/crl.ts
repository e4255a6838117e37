import 'reflect-metadata';
import { X509Crl } from '@peculiar/x509';
import type { Device } from '../fleet.js';
import type { TestServer } from '../server.js';

export const serialOf = ({ answer }: Device): string => answer.body.certificate.serialNumber as string;

/** The id of the CA that issued a device's certificate. */
export const issuerOf = ({ answer }: Device): string =>
  /crl\/([0-9a-f]{16})/.exec(answer.body.links.crl as string)![1]!;

type FetchedCrl = { status: number; headers: Headers; der: Buffer; serials: string[]; number: bigint };

/** Fetches a list and reads it with a library that is not ours. */
export async function fetchCrl(
  server: Pick<TestServer, 'url'>,
  path: string,
  headers: Record<string, string> = {},
): Promise<FetchedCrl> {
  const response = await fetch(`${server.url}${path}`, { headers });
  const der = Buffer.from(await response.arrayBuffer());
  // As every reader does: an instance that is slow to renew its lease says so, and is asked again.
  if (response.status === 503 && der.includes('urn:thingward:problem:not-ready')) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    return fetchCrl(server, path, headers);
  }
  if (response.status !== 200)
    return { status: response.status, headers: response.headers, der, serials: [], number: 0n };
  const crl = new X509Crl(der);
  const number = crl.extensions.find(({ type }) => type === '2.5.29.20')!;
  const digits = Buffer.from(number.value).subarray(2).toString('hex');
  return {
    status: 200,
    headers: response.headers,
    der,
    serials: crl.entries.map(({ serialNumber }) => serialNumber.toLowerCase().replace(/^00/, '').padStart(40, '0')),
    number: BigInt(`0x${digits}`),
  };
}
