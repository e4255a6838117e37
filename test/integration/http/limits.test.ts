import { describe, expect, it } from 'vitest';
import { expectProblem, problemOf } from '../../support/client.js';
import { issuerOf, serialOf } from '../../support/pki/crl.js';
import { enroll, provision } from '../../support/fleet.js';
import { ocspRequest } from '../../support/pki/ocsp.js';
import { startServer } from '../../support/server.js';

describe('rates of an account and its keys', () => {
  it('429 with Retry-After beyond them; other keys and accounts, and what proxies ask, are not held back', async () => {
    const settings = { THINGWARD_WRITES_PER_SECOND: '4', THINGWARD_HEAVY_PER_SECOND: '2' };
    const server = await startServer('embedded', settings);
    try {
      const one = (await server.owner.post('/v1/api-keys', { role: 'admin' })).body.key;
      const other = (await server.owner.post('/v1/api-keys', { role: 'admin' })).body.key;
      const { ownerKey } = (await server.owner.post('/v1/accounts', { name: 'acme' })).body;
      const write = (key: string) => server.as(key).send('PATCH', '/v1/things/nobody', { attributes: {} });
      // Half of the account's four, for ten seconds at once, and what comes in meanwhile.
      const answers = await Promise.all(Array.from({ length: 100 }, () => write(one)));
      expect(answers.filter(({ status }) => status === 404).length).toBeGreaterThanOrEqual(20);
      const limited = answers.find(({ status }) => status === 429)!;
      expect([problemOf(limited), limited.headers.get('retry-after')]).toEqual(['too-many-requests', '1']);
      expect(limited.body.detail).toContain('this key');
      expect((await write(other)).status).toBe(404);
      expect((await write(ownerKey)).status).toBe(404);
      const { key: proxy } = (await server.owner.post('/v1/api-keys', { role: 'proxy' })).body;
      const question = { principal: { thingName: 'x' }, action: 'read', resource: 'endpoint:e' };
      for (let n = 0; n < 50; n++) expect((await server.as(proxy).post('/v1/authorize', question)).status).toBe(200);
      const lint = () => server.as(one).post('/v1/policies/lint', { name: 'p', statements: [] });
      const linted = await Promise.all(Array.from({ length: 60 }, lint));
      expect(linted.map(({ status }) => status)).toContain(429);
      server.advance(2);
      expect((await write(one)).status).toBe(404);
      expect((await lint()).status).toBe(200);
    } finally {
      await server.stop();
    }
  });
});

describe('the rate of an address that shows no key', () => {
  it('429 with Retry-After for everything public; other addresses, probes and callers with a key pass', async () => {
    const server = await startServer('embedded', {
      THINGWARD_ANONYMOUS_PER_SECOND: '1',
      THINGWARD_TRUSTED_PROXIES: '127.0.0.1',
    });
    try {
      const device = await provision(server, (await enroll(server)).token, 'limited');
      const issuer = issuerOf(device);
      server.freeze();
      const chain = await (await fetch(`${server.url}/ca/chain.pem`)).text();
      const request = ocspRequest(chain, serialOf(device));
      const ask = async (from: string, path: string, init: RequestInit = {}) => {
        const response = await fetch(`${server.url}${path}`, {
          ...init,
          headers: { ...(init.headers as Record<string, string>), 'x-forwarded-for': from },
        });
        const text = await response.text();
        const isProblem = response.headers.get('content-type')?.includes('problem+json');
        return { status: response.status, headers: response.headers, text, body: isProblem ? JSON.parse(text) : {} };
      };
      const post = (type: string, body: string | Uint8Array<ArrayBuffer>) => ({
        method: 'POST',
        headers: { 'content-type': type },
        body,
      });
      const paths: [string, RequestInit?][] = [
        ['/ca/chain.pem'],
        ['/ca/default/chain.pem'],
        ['/crl/bundle.pem'],
        ['/crl/default/bundle.pem'],
        [`/crl/${issuer}.crl`],
        [`/crl/${issuer}.pem`],
        [`/status/${issuer}`],
        [`/status/${issuer}.gaps`],
        ['/.well-known/jwks.json'],
        ['/ocsp', post('application/ocsp-request', new Uint8Array(request))],
        [`/ocsp/${encodeURIComponent(request.toString('base64'))}`],
        ['/openapi.json'],
      ];
      // What one address may send at once, and no more for all of its /64.
      for (let n = 0; n < 10; n++) {
        expect((await ask('192.0.2.1', paths[n]![0], paths[n]![1])).status, paths[n]![0]).toBe(200);
        expect((await ask(`2001:db8:0:7::${n}`, '/ca/chain.pem')).status).toBe(200);
      }
      for (const [path, init] of paths) {
        for (const from of ['192.0.2.1', '2001:db8:0:7:ffff::1']) {
          const answer = await ask(from, path, init);
          expectProblem(answer, path);
          expect([problemOf(answer), answer.headers.get('retry-after')], path).toEqual(['too-many-requests', '1']);
        }
      }
      const refused = await ask('192.0.2.1', '/v1/token', post('application/json', '{}'));
      expect([refused.status, JSON.parse(refused.text).error]).toEqual([429, 'temporarily_unavailable']);
      expect((await ask('192.0.2.2', '/ca/chain.pem')).status).toBe(200);
      expect((await ask('2001:db8:0:8::1', '/ca/chain.pem')).status).toBe(200);
      expect((await ask('192.0.2.1', '/healthz')).status).toBe(200);
      expect((await ask('192.0.2.1', '/readyz')).status).toBe(200);
      const headers = { authorization: `Bearer ${server.ownerKey}` };
      expect((await ask('192.0.2.1', '/v1/things', { headers })).status).toBe(200);
      server.advance(1);
      expect((await ask('192.0.2.1', '/ca/chain.pem')).status).toBe(200);
      expect((await ask('192.0.2.1', '/ca/chain.pem')).status).toBe(429);
      // This machine itself is not limited.
      for (let n = 0; n < 20; n++) expect((await fetch(`${server.url}/ca/chain.pem`)).status).toBe(200);
    } finally {
      await server.stop();
    }
  });
});
