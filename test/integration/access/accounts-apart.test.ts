import { describe, expect, it } from 'vitest';
import { databaseKinds } from '../../support/databases/databases.js';
import { enroll, provision } from '../../support/fleet.js';
import { startServer } from '../../support/server.js';

describe.each(databaseKinds)('two accounts on %s', (kind) => {
  it('nothing crosses: the same names side by side, and the other account is not there', async () => {
    const server = await startServer(kind);
    try {
      const owners = { acme: '', globex: '' };
      for (const name of Object.keys(owners) as (keyof typeof owners)[])
        owners[name] = (await server.owner.post('/v1/accounts', { name })).body.ownerKey;
      const [acme, globex] = [server.as(owners.acme), server.as(owners.globex)];
      const enrollment = await enroll({ owner: acme });
      const ours = await provision(server, enrollment.token, 'pump-1', {});
      const key = (await acme.post('/v1/api-keys', { name: 'the auditors', role: 'auditor' })).body as { id: string };
      expect((await acme.get(`/v1/api-keys/${key.id}`)).body.name).toBe('the auditors');
      const { serialNumber, fingerprint, pem } = ours.answer.body.certificate as Record<string, string>;
      const token = ours.answer.body.token.accessToken as string;
      const read = { id: 'read', effect: 'allow', actions: ['read'], resources: ['endpoint:one'] };
      await acme.post('/v1/policies', { name: 'ours', statements: [read] });
      await acme.post('/v1/segments', { name: 'ours', cidr: '10.0.0.0/8' });
      const { id: edge } = (await acme.post('/v1/proxies', { name: 'gate', sessions: true })).body as { id: string };
      const opened = [
        { id: 's1', thingName: 'pump-1', protocol: 'mqtts', connectedAt: '2026-01-02T03:04:05Z', fingerprint },
      ];
      const report = { incarnation: 'i', full: true, opened };
      expect((await acme.post(`/v1/proxies/${edge}/sessions`, report)).status).toBe(204);
      const strange: [string, string, object?][] = [
        ['POST', `/v1/proxies/${edge}/sessions`, report],
        ['DELETE', '/v1/sessions/s1'],
        ['GET', '/v1/things/pump-1'],
        ['PATCH', '/v1/things/pump-1', { attributes: { a: 'b' } }],
        ['PUT', '/v1/things/pump-1/policies', { policies: ['camera'] }],
        ['POST', '/v1/things/pump-1/reenroll'],
        ['GET', '/v1/things/pump-1/commands'],
        ['POST', '/v1/things/pump-1/commands', { name: 'reboot' }],
        ['GET', `/v1/certificates/${serialNumber}`],
        ['GET', `/v1/enrollments/${enrollment.id}`],
        ['POST', `/v1/enrollments/${enrollment.id}/revoke`],
        ['POST', `/v1/certificates/${serialNumber}/revoke`, { reason: 'keyCompromise' }],
        ['POST', `/v1/certificates/${serialNumber}/release`],
        ['POST', '/v1/things/pump-1/suspend'],
        ['POST', '/v1/things/pump-1/resume'],
        ['POST', '/v1/things/pump-1/revoke', { reason: 'keyCompromise' }],
        ['DELETE', '/v1/things/pump-1'],
        ['GET', '/v1/policies/ours'],
        ['GET', '/v1/policies/ours/versions/1'],
        ['POST', '/v1/policies/ours/versions', { statements: [read] }],
        ['POST', '/v1/policies/ours/activate', { version: 1 }],
        ['POST', '/v1/policies/ours/activate', { version: 1, dryRun: true }],
        ['GET', '/v1/segments/ours'],
        ['PATCH', '/v1/segments/ours', { deviceLimit: 1 }],
        ['DELETE', '/v1/segments/ours'],
        ['PUT', '/v1/segments/ours/things/pump-1'],
        ['DELETE', '/v1/segments/ours/things/pump-1'],
        ['GET', `/v1/api-keys/${key.id}`],
        ['DELETE', `/v1/api-keys/${key.id}`],
      ];
      for (const [method, path, body] of strange) {
        expect((await globex.send(method, path, body)).status, `${method} ${path}`).toBe(404);
        // accounts:write crosses accounts for accounts alone.
        expect((await server.owner.send(method, path, body)).status, `${method} ${path}`).toBe(404);
      }
      const resource = 'topic:acme/pump-1/telemetry/x';
      for (const principal of [
        { token, fingerprint },
        { token, certificatePem: pem },
        { token },
        { fingerprint },
        { certificatePem: pem },
        { thingName: 'pump-1' },
      ]) {
        const question = { principal, action: 'publish', resource };
        const single = await globex.post('/v1/authorize', question);
        const [batched] = (await globex.post('/v1/authorize/batch', { requests: [question] })).body.decisions;
        for (const { decision, reasons } of [single.body, batched])
          expect([decision, ...reasons], JSON.stringify(principal)).toEqual(['deny', 'unknown-principal']);
      }
      const evaluation = {
        subject: { type: 'thing', id: 'pump-1' },
        action: { name: 'publish' },
        resource: { type: 'topic', id: resource.slice(6) },
      };
      expect((await globex.post('/access/v1/evaluation', evaluation)).body.decision).toBe(false);
      expect((await acme.post('/access/v1/evaluation', evaluation)).body.decision).toBe(true);
      const simulation = { requests: [{ thing: { name: 'pump-1' }, action: 'publish', resource }] };
      expect((await globex.post('/v1/policies/simulate', simulation)).body.decisions[0].decision).toBe('deny');
      expect((await acme.post('/v1/policies/simulate', simulation)).body.decisions[0].decision).toBe('allow');
      const stolen = { ...simulation, policies: [{ name: 'ours' }] };
      expect((await globex.post('/v1/policies/simulate', stolen)).status).toBe(422);
      expect((await globex.post('/v1/enrollments', { thingNamePattern: '*', maxUses: 1, policy: 'ours' })).status).toBe(
        422,
      );
      expect(
        (await globex.post('/v1/enrollments', { thingNamePattern: '*', maxUses: 1, segment: 'ours' })).status,
      ).toBe(422);
      await server.services.chores.run('write-decisions');
      for (const list of [
        '/v1/decisions',
        '/v1/sessions',
        `/v1/sessions?proxy=${edge}`,
        '/v1/segments',
        '/v1/things',
        '/v1/certificates',
        '/v1/enrollments',
        '/v1/audit?target=thing:pump-1',
      ]) {
        expect((await globex.get(list)).body.items, list).toEqual([]);
      }
      expect((await globex.get('/v1/accounts')).status).toBe(403);
      const found = await globex.post('/v1/edge/principals', { fingerprints: [fingerprint] });
      expect(found.body.principals).toEqual([null]);
      expect((await acme.post('/v1/edge/principals', { fingerprints: [fingerprint] })).body.principals).toMatchObject([
        { thingName: 'pump-1', serialNumber },
      ]);
      expect((await globex.post('/v1/edge/things', { names: ['pump-1'] })).body.things).toEqual([null]);
      expect((await globex.get('/v1/edge/things')).body.things).toEqual([]);
      expect((await acme.post('/v1/edge/things', { names: ['pump-1'] })).body.things).toMatchObject([{ serialNumber }]);
      const snapshot = await globex.get('/v1/edge/snapshot');
      expect([snapshot.body.account.name, snapshot.text.includes('ours')]).toEqual(['globex', false]);
      expect((await globex.get(`/v1/things?enrollment=${enrollment.id}`)).body.items).toEqual([]);

      const theirs = await provision(server, (await enroll({ owner: globex })).token, 'pump-1', {}, ours.key);
      expect(theirs.answer.status).toBe(201);
      expect(theirs.answer.body.thing).toMatchObject({ account: 'globex', name: 'pump-1' });
      expect(theirs.answer.body.certificate.chainPem).not.toBe(ours.answer.body.certificate.chainPem);
      expect((await acme.get('/v1/things/pump-1')).body.attributes).toEqual({});
      expect((await acme.get(`/v1/enrollments/${enrollment.id}`)).body.status).toBe('active');
    } finally {
      await server.stop();
    }
  });
});
