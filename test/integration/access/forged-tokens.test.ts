import { createHmac, createPublicKey, generateKeyPairSync, randomBytes, sign, type JsonWebKey } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '../../support/client.js';
import { anyDatabase } from '../../support/databases/databases.js';
import { enroll, provision } from '../../support/fleet.js';
import { seeded } from '../../support/seeded.js';
import { startServer, type TestServer } from '../../support/server.js';

const encode = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

describe.each(anyDatabase)('forged and malformed tokens on %s', (kind) => {
  let server: TestServer;
  let proxy: Client;
  let good: string;
  let jwk: JsonWebKey & { kid: string };

  beforeAll(async () => {
    server = await startServer(kind);
    proxy = server.as(
      (await server.owner.post('/v1/api-keys', { permissions: ['authorize:query'], bearer: true })).body.key,
    );
    good = (await provision(server, (await enroll(server)).token, 'victim')).answer.body.token.accessToken;
    jwk = (await server.as(undefined).get('/.well-known/jwks.json')).body.keys[0];
  });
  afterAll(() => server.stop());

  const ask = (token: string) =>
    proxy.post('/v1/authorize', {
      principal: { token },
      action: 'publish',
      resource: 'topic:default/victim/telemetry/x',
    });

  async function expectRefused(tokens: [name: string, token: string][]): Promise<void> {
    for (const [name, token] of tokens) {
      const { status, body } = await ask(token);
      // What cannot be a token at all is bad input; every other forgery gets a decision.
      if (token === '' || token.length > 8192) {
        expect(status, name).toBe(400);
        continue;
      }
      expect([status, body.decision, body.reasons], name).toEqual([200, 'deny', ['token-invalid']]);
      // A header loses the white space around its value, so only what can stand in one is tried as a bearer.
      if (/^[!-~]+$/.test(token)) expect((await server.as(token).get('/v1/self')).status, name).toBe(401);
    }
  }

  it('the token itself is good', async () => {
    expect((await ask(good)).body.decision).toBe('allow');
  });

  it('every trick with headers, algorithms, keys and encodings is refused', async () => {
    const [header, payload, signature] = good.split('.') as [string, string, string];
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
    const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const ownJwk = own.publicKey.export({ format: 'jwk' });
    const publicKey = createPublicKey({ key: jwk, format: 'jwk' });
    const bySelf = (head: unknown, body: unknown = claims) => {
      const input = `${encode(head)}.${encode(body)}`;
      return `${input}.${sign('sha256', Buffer.from(input), { key: own.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
    };
    const byHmac = (head: unknown, key: string | Buffer) => {
      const input = `${encode(head)}.${payload}`;
      return `${input}.${createHmac('sha256', key).update(input).digest('base64url')}`;
    };
    const base = { alg: 'ES256', typ: 'at+jwt', kid: jwk.kid };
    const unsigned = (head: unknown, end = '') => `${encode(head)}.${payload}.${end}`;
    await expectRefused([
      ['alg none', unsigned({ ...base, alg: 'none' })],
      ['alg None with the signature kept', unsigned({ ...base, alg: 'None' }, signature)],
      ['alg empty', unsigned({ ...base, alg: '' })],
      [
        'HS256 by the PEM of the public key',
        byHmac({ ...base, alg: 'HS256' }, publicKey.export({ type: 'spki', format: 'pem' })),
      ],
      [
        'HS256 by the DER of the public key',
        byHmac({ ...base, alg: 'HS256' }, publicKey.export({ type: 'spki', format: 'der' })),
      ],
      ['HS256 by the JWK', byHmac({ ...base, alg: 'HS256' }, JSON.stringify(jwk))],
      ['HS256 by an empty key', byHmac({ ...base, alg: 'HS256' }, '')],
      ['another key under our kid', bySelf(base)],
      ['another key in jwk', bySelf({ ...base, jwk: ownJwk })],
      ['another key by jku', bySelf({ ...base, jku: 'http://127.0.0.1:1/jwks.json' })],
      ['another key by x5u', bySelf({ ...base, x5u: 'http://127.0.0.1:1/cert.pem' })],
      ['another key in x5c', bySelf({ ...base, x5c: [randomBytes(64).toString('base64')] })],
      ['no kid', bySelf({ alg: 'ES256', typ: 'at+jwt' })],
      ['a path for a kid', bySelf({ ...base, kid: '../../../dev/null' })],
      ['a list for a kid', bySelf({ ...base, kid: [jwk.kid] })],
      ['crit', unsigned({ ...base, crit: ['exp'] }, signature)],
      ['b64 false', unsigned({ ...base, b64: false, crit: ['b64'] }, signature)],
      ['zip', unsigned({ ...base, zip: 'DEF' }, signature)],
      ['another typ', unsigned({ ...base, typ: 'JWT' }, signature)],
      [
        'duplicate members in the header',
        `${encode(`{"alg":"none","alg":"ES256","typ":"at+jwt","kid":"${jwk.kid}"}`)}.${payload}.${signature}`,
      ],
      [
        'duplicate members in the claims',
        `${header}.${encode(`{"sub":"other",${JSON.stringify(claims).slice(1)}`)}.${signature}`,
      ],
      ['changed claims', `${header}.${encode({ ...claims, sub: 'other' })}.${signature}`],
      ['a longer life', `${header}.${encode({ ...claims, exp: 9_999_999_999 })}.${signature}`],
      ['no signature', `${header}.${payload}.`],
      ['a zero signature', `${header}.${payload}.${Buffer.alloc(64).toString('base64url')}`],
      [
        'r and s of n',
        `${header}.${payload}.${Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551'.repeat(2), 'hex').toString('base64url')}`,
      ],
      [
        'a DER signature',
        `${header}.${payload}.${sign('sha256', Buffer.from(`${header}.${payload}`), own.privateKey).toString('base64url')}`,
      ],
      ['a longer signature', `${good}AA`],
      ['a shorter signature', good.slice(0, -2)],
      ['padding', `${good}=`],
      ['white space', ` ${good}`],
      ['a line break in it', `${header}.\n${payload}.${signature}`],
      ['two parts', `${header}.${payload}`],
      ['four parts', `${good}.${signature}`],
      ['five parts, as if encrypted', `${header}....${signature}`],
      ['a refresh token', 'twr_00000000-0000-4000-8000-000000000000.1.AAAA'],
      ['JSON serialization', JSON.stringify({ protected: header, payload, signature })],
      ['NUL at the end', `${good}\0`],
      ['only dots', '..'],
      ['empty', ''],
      ['not base64', '%%%.%%%.%%%'],
    ]);
  });

  it('a thousand forgeries: none allowed, none 5xx', async () => {
    const parts = good.split('.').map((part) => Buffer.from(part, 'base64url'));
    const random = seeded(`forged tokens on ${kind}`);
    const forgeries = Array.from({ length: 1000 }, (_, n) => {
      const bent = parts.map((part) => Buffer.from(part));
      const target = bent[n % 3]!;
      const at = random.below(target.length);
      target[at] = target[at]! ^ (1 << (n % 8));
      return bent.map((part) => part.toString('base64url')).join('.');
    });
    const { body, status } = await proxy.post('/v1/authorize/batch', {
      requests: forgeries.map((token) => ({
        principal: { token },
        action: 'publish',
        resource: 'topic:default/victim/telemetry/x',
      })),
    });
    expect(status).toBe(200);
    const reasons = body.decisions.map(
      ({ decision, reasons: [reason] }: { decision: string; reasons: string[] }) => `${decision} ${reason}`,
    );
    expect(new Set(reasons)).toEqual(new Set(['deny token-invalid']));
    console.log(`forged tokens on ${kind}: tried=${forgeries.length} allowed=0`);
    expect((await ask(good)).body.decision).toBe('allow');
  });
});
