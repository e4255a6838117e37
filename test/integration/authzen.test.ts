import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '../support/client.js';
import { enroll, provision } from '../support/fleet.js';
import { startServer, type TestServer } from '../support/server.js';

describe('AuthZEN', () => {
  let server: TestServer;
  let proxy: Client;

  beforeAll(async () => {
    server = await startServer('embedded');
    proxy = server.as((await server.owner.post('/v1/api-keys', { permissions: ['authorize:query'] })).body.key);
    await provision(server, (await enroll(server)).token, 'pump-1');
  });
  afterAll(() => server.stop());

  it('evaluation, evaluations with their semantics, discovery', async () => {
    const subject = { type: 'thing', id: 'pump-1', properties: { ignored: true } };
    const publish = { name: 'publish' };
    const mine = { type: 'topic', id: 'default/pump-1/telemetry/x' };
    const theirs = { type: 'topic', id: 'default/pump-2/telemetry/x' };
    const one = await proxy.send(
      'POST',
      '/access/v1/evaluation',
      { subject, action: publish, resource: mine },
      { 'x-request-id': 'abc' },
    );
    expect([one.status, one.body.decision, one.headers.get('x-request-id')]).toEqual([200, true, 'abc']);
    expect(
      (
        await proxy.post('/access/v1/evaluation', {
          subject: { type: 'user', id: 'x' },
          action: publish,
          resource: mine,
        })
      ).body.decision,
    ).toBe(false);
    expect((await proxy.post('/access/v1/evaluation', { subject, action: publish })).status).toBe(400);
    const several = async (semantic?: string) => {
      const { body } = await proxy.post('/access/v1/evaluations', {
        subject,
        action: publish,
        evaluations: [{ resource: mine }, { resource: theirs }, { resource: mine }],
        ...(semantic ? { options: { evaluations_semantic: semantic } } : {}),
      });
      return body.evaluations.map(({ decision }: { decision: boolean }) => decision);
    };
    expect(await several()).toEqual([true, false, true]);
    expect(await several('deny_on_first_deny')).toEqual([true, false]);
    expect(await several('permit_on_first_permit')).toEqual([true]);
    expect(
      (await proxy.post('/access/v1/evaluations', { subject, action: publish, resource: mine })).body.decision,
    ).toBe(true);
    const { body } = await server.as(undefined).get('/.well-known/authzen-configuration');
    expect(body).toEqual({
      policy_decision_point: server.url,
      access_evaluation_endpoint: `${server.url}/access/v1/evaluation`,
      access_evaluations_endpoint: `${server.url}/access/v1/evaluations`,
    });
  });
});
