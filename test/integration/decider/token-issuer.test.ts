import { createHash, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDecider, type Decider } from '../../../src/edge/decider/decider.js';
import { createCredential } from '../../../src/access/credentials.js';
import { databaseKinds, freshDatabase, type TestDatabase } from '../../support/databases/databases.js';
import { eventually } from '../../support/edge/stage.js';
import { enroll, pemOf, provision, useKey, type Device } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

const statements = [{ id: 'in', effect: 'allow', actions: ['connect'], resources: ['client:${thing.name}'] }];

describe.each(databaseKinds)('a server whose public address changes, on %s', (kind) => {
  let database: TestDatabase;
  let server: TestServer;
  let decider: Decider;
  let device: Device;
  let edgeKey: string;
  const folder = mkdtempSync(join(tmpdir(), 'token-issuer-'));
  const ownerKey = createCredential('twk').token;

  /** One instance after the other on the same database. */
  const start = (publicUrl: string) =>
    startServer(kind, {
      ...database.settings,
      THINGWARD_OWNER_KEY: ownerKey,
      THINGWARD_PUBLIC_URL: publicUrl,
    });

  beforeAll(async () => {
    database = await freshDatabase(kind);
    server = await start('https://old.example');
    await server.owner.post('/v1/policies', { name: 'p', statements });
    const { token } = await enroll(server, { policies: ['p'] });
    device = await provision(server, token, 'pump');
    edgeKey = (await server.owner.post('/v1/api-keys', { role: 'edge' })).body.key as string;
    decider = await createDecider({
      server: 'http://127.0.0.1:1',
      key: edgeKey,
      name: 'e',
      stateDir: folder,
      fetch: (input, init) => fetch((input as string).replace('http://127.0.0.1:1', server.url), init),
    });
  });
  afterAll(async () => {
    await decider?.close();
    await server?.stop();
    database?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  it('is followed: tokens with the earlier address count nowhere, and those with the new one do', async () => {
    const fingerprint = createHash('sha256')
      .update(new X509Certificate(pemOf(device)).raw)
      .digest('hex');
    const old = device.answer.body.token.accessToken as string;
    const question = (token: string) => ({
      principal: { token, fingerprint },
      action: 'connect',
      resource: 'client:pump',
    });
    const both = async (token: string) => {
      const there = (await server.as(edgeKey).post('/v1/authorize', question(token))).body as { reasons: string[] };
      return [there.reasons[0], (await decider.decide(question(token))).reasons[0]];
    };
    expect(await both(old)).toEqual(['in', 'in']);
    const guest = await decider.gate.identify({ token: old, fingerprint, withoutCertificates: false });
    if ('barred' in guest) throw new Error(guest.detail);
    expect(decider.gate.standing(guest)).toBeUndefined();
    const looked: boolean[] = [];
    decider.gate.follow(async ({ everything }) => looked.push(everything));

    await server.stop();
    server = await start('https://new.example');
    await eventually(
      () => decider.gate.standing(guest)?.barred,
      (barred) => barred === 'token-invalid',
    );
    expect(looked).toContain(true);
    expect(await both(old)).toEqual(['token-invalid', 'token-invalid']);
    const { body } = await useKey({ ...server, url: 'https://new.example' }, device);
    expect(await both(body.access_token as string)).toEqual(['in', 'in']);
  });
});
