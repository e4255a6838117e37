import { hash, randomBytes } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readChain, type Authority } from '../../../src/observer/authority.js';
import * as der from '../../../src/pki/der.js';
import { extension } from '../../../src/pki/issuer.js';
import { mostCertIds, ocspHashes, type OcspHash } from '../../../src/pki/ocsp.js';
import { oids } from '../../../src/pki/oid.js';
import { readOcsp } from '../../../src/pki/read.js';
import { serialOf } from '../../support/pki/crl.js';
import { enroll, provision, type Device } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

const malformed = '30030a0101';
const unauthorized = '30030a0106';

describe('OCSP requests as clients write them', () => {
  let server: TestServer;
  let issuing: Authority;
  let [good, revoked] = [] as unknown as [Device, Device];

  beforeAll(async () => {
    server = await startServer('embedded');
    const { token } = await enroll(server);
    [good, revoked] = [await provision(server, token, 'good'), await provision(server, token, 'revoked')];
    await server.owner.post(`/v1/certificates/${serialOf(revoked)}/revoke`, { reason: 'keyCompromise' });
    issuing = readChain((await server.as(undefined).get('/ca/chain.pem')).text)[0]!;
  });
  afterAll(() => server.stop());

  type Wanted = { serials?: string[]; algorithm?: Buffer; by?: OcspHash; nonce?: Buffer };

  function requestFor({ serials, by = 'sha1', algorithm = oids[by], nonce }: Wanted): Buffer {
    const { subject, subjectPublicKey } = issuing;
    const certId = (serial: string) =>
      der.sequence(
        der.sequence(algorithm),
        der.octetString(hash(by, subject, 'buffer')),
        der.octetString(hash(by, subjectPublicKey, 'buffer')),
        der.integer(Buffer.from(serial, 'hex')),
      );
    const list = (serials ?? [serialOf(good), serialOf(revoked)]).map((serial) => der.sequence(certId(serial)));
    const extensions = nonce
      ? [der.encode(der.constructed(2), der.sequence(extension(oids.ocspNonce, der.octetString(nonce))))]
      : [];
    return der.sequence(der.sequence(der.sequence(...list), ...extensions));
  }

  const bytesOf = async (response: Response): Promise<Buffer> => {
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/ocsp-response']);
    return Buffer.from(await response.arrayBuffer());
  };
  const post = async (body: Buffer, path = '/ocsp', type: string | null = 'application/ocsp-request') =>
    bytesOf(
      await fetch(`${server.url}${path}`, {
        method: 'POST',
        headers: type === null ? {} : { 'content-type': type },
        body: new Uint8Array(body),
      }),
    );
  const statuses = (answer: Buffer) => readOcsp(answer).statuses.map(({ status }) => status);

  it.each(ocspHashes)('answers for certificates that are named by %s', async (by) => {
    expect(statuses(await post(requestFor({ by })))).toEqual(['good', 'revoked']);
  });

  it('knows no issuer by a hash that it does not know, and is never good about it', async () => {
    const sha224 = der.oid('2.16.840.1.101.3.4.2.4');
    expect((await post(requestFor({ algorithm: sha224, by: 'sha256' }))).toString('hex')).toBe(unauthorized);
  });

  it('repeats nonces of 1 to 128 octets; others are malformed (RFC 9654 §2.1)', async () => {
    for (const octets of [1, 16, 32, 33, 64, 127, 128]) {
      const nonce = randomBytes(octets);
      const answer = await post(requestFor({ nonce }));
      expect(statuses(answer)).toEqual(['good', 'revoked']);
      expect(answer.includes(extension(oids.ocspNonce, der.octetString(nonce))), `${octets} octets`).toBe(true);
    }
    for (const octets of [0, 129, 4096])
      expect((await post(requestFor({ nonce: randomBytes(octets) }))).toString('hex')).toBe(malformed);
  });

  it('answers for so many certificates at once and no more', async () => {
    const serials = Array.from({ length: mostCertIds + 1 }, () => `01${randomBytes(19).toString('hex')}`);
    const most = await post(requestFor({ serials: serials.slice(1) }));
    expect(statuses(most)).toEqual(serials.slice(1).map(() => 'unknown'));
    expect((await post(requestFor({ serials }))).toString('hex')).toBe(malformed);
  });

  // Not fetch: it would tidy the path.
  const get = (path: string): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      const { hostname, port } = new URL(server.url);
      const asked = httpRequest({ hostname, port, path }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => resolve(Buffer.concat(chunks)));
      });
      asked.on('error', reject).end();
    });

  it('GET takes base64 and base64url, escaped or not, with and without its end', async () => {
    // Requests whose base64 has what differs between the two, and ends in each of the three ways.
    const ends = new Set<number>();
    for (let tries = 0; ends.size < 3; tries++) {
      expect(tries).toBeLessThan(1000);
      const nonce = randomBytes(1 + (tries % 32));
      const request = requestFor({ serials: [serialOf(revoked)], nonce });
      const base64 = request.toString('base64');
      if (!/\+.*\/|\/.*\+/.test(base64) || ends.has(request.length % 3)) continue;
      ends.add(request.length % 3);
      const url = request.toString('base64url');
      const bare = base64.replace(/=+$/, '');
      const padded = base64.replaceAll('+', '-').replaceAll('/', '_');
      const spellings = [base64, bare, url, padded, bare.replaceAll('+', '-'), bare.replaceAll('/', '_')];
      for (const spelling of spellings.flatMap((each) => [each, encodeURIComponent(each), `/${each}`]))
        expect(statuses(await get(`/ocsp/${spelling}`)), spelling).toEqual(['revoked']);
    }
    for (const path of ['/ocsp/', '/ocsp/no%20base64!', '/ocsp/M===', '/ocsp/TUVPVw'])
      expect((await get(path)).toString('hex'), path).toBe(malformed);
  });

  it('POST takes a slash at the end, and whatever the body is called', async () => {
    const body = requestFor({});
    for (const path of ['/ocsp', '/ocsp/']) {
      for (const type of [
        'application/ocsp-request',
        'application/ocsp-request; charset=binary',
        'Application/OCSP-Request',
        'application/octet-stream',
        'application/x-www-form-urlencoded',
        'application/json',
        'text/plain',
        null,
      ])
        expect(statuses(await post(body, path, type)), `${path} ${type}`).toEqual(['good', 'revoked']);
    }
  });
});
