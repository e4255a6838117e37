import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createClient } from '../../support/client.js';
import { csrPem } from '../../support/pki/csr.js';
import { databaseKinds, freshDatabase } from '../../support/databases/databases.js';
import { startProgram } from '../../support/program.js';

describe.each(databaseKinds)('secrets on %s', (kind) => {
  it('stand in no log, no metric, no document and no column', async () => {
    const database = await freshDatabase(kind);
    const [ownerKey, sealing] = [
      `twk_${randomBytes(32).toString('base64url')}`,
      database.settings['THINGWARD_KEY'] ?? randomBytes(32).toString('base64'),
    ];
    const program = await startProgram({
      ...database.settings,
      THINGWARD_KEY: sealing,
      THINGWARD_OWNER_KEY: ownerKey,
      LOG_LEVEL: 'trace',
    });
    const owner = createClient(program.url, ownerKey);
    const { token } = (await owner.post('/v1/enrollments', { thingNamePattern: '*', maxUses: 10 })).body;
    const { key } = (await owner.post('/v1/api-keys', { role: 'auditor' })).body;
    const made = await createClient(program.url, token).post('/v1/provision', {
      thingName: 'canary',
      keyType: 'ec-p256',
    });
    const bundle = await createClient(program.url, token).post('/v1/provision', {
      thingName: 'canary-2',
      keyType: 'ec-p256',
      format: 'pkcs12',
      password: 'canary-password-123',
    });
    expect([made.status, bundle.status]).toEqual([201, 201]);
    const { accessToken, refreshToken } = made.body.token;
    await createClient(program.url, accessToken).get(`/v1/self?token=${accessToken}`);
    await createClient(program.url, undefined).post('/v1/token', {
      grant_type: 'refresh_token',
      refresh_token: refreshToken,
    });
    await createClient(program.url, undefined).post('/v1/token', {
      grant_type: 'refresh_token',
      refresh_token: refreshToken,
    });
    await createClient(program.url, token).post('/v1/provision', {
      thingName: 'canary-3',
      csr: csrPem().replace('M', '!'),
    });
    await createClient(program.url, `twk_${'C'.repeat(43)}`).get('/v1/things');

    const secrets: Record<string, string> = {
      'the owner key': ownerKey,
      'the sealing key': sealing,
      'an enrollment token': token,
      'an API key': key,
      'an access token': accessToken.split('.')[2],
      'a refresh token': refreshToken,
      'a private key': made.body.privateKeyPem.split('\n')[1],
      'a password': 'canary-password-123',
    };
    const readable: Record<string, string> = { metrics: '', 'openapi.json': '', audit: '' };
    readable['metrics'] = (await owner.get('/metrics')).text;
    readable['openapi.json'] = (await owner.get('/openapi.json')).text;
    readable['audit'] = (await owner.get('/v1/audit?limit=1000')).text;
    readable['API keys'] = (await owner.get('/v1/api-keys')).text;
    readable['enrollments'] = (await owner.get('/v1/enrollments')).text;
    await program.kill();
    readable['the log'] = program.output();
    expect(readable['the log']).toContain('"route":"/v1/provision"');
    for (const [where, text] of Object.entries(readable)) {
      for (const [what, secret] of Object.entries(secrets))
        expect(text.includes(secret), `${what} in ${where}`).toBe(false);
    }
    database.remove();
  });
});
