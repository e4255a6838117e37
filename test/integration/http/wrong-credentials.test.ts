import { describe, expect, it } from 'vitest';
import { startServer } from '../../support/server.js';

describe('wrong credentials in a row', () => {
  it('429 with Retry-After beyond the limit; a credential from the same address that was good lately still passes', async () => {
    const server = await startServer('embedded', { THINGWARD_FAILED_CREDENTIALS_PER_MINUTE: '5' });
    try {
      expect((await server.owner.get('/v1/things')).status).toBe(200);
      const statuses: number[] = [];
      for (let n = 0; n < 7; n++) statuses.push((await server.as(`twk_${'B'.repeat(43)}`).get('/v1/things')).status);
      expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429]);
      const limited = await server.as('x').get('/v1/things');
      expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(0);
      expect((await server.owner.get('/v1/things')).status).toBe(200);
      // An address in X-Forwarded-For is not believed without a list of proxies.
      const spoofed = await server.as('x').send('GET', '/v1/things', undefined, { 'x-forwarded-for': '192.0.2.1' });
      expect(spoofed.status).toBe(429);
    } finally {
      await server.stop();
    }
  });
});
