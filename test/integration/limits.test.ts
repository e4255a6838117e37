import { describe, expect, it } from 'vitest';
import { problemOf } from '../support/client.js';
import { startServer } from '../support/server.js';

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
