import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { awsAllows, type AwsRequest } from '../../support/aws/aws-evaluator.js';
import { problemOf } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { enroll, provision } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

const arn = 'arn:aws:iot:eu-central-1:123456789012';

describe('POST /integrations/aws-authorizer', () => {
  let server: TestServer;
  let lambda: string;
  let token: string;
  let thing: { id: string; name: string };
  beforeAll(async () => {
    server = await startServer(databaseKinds.at(-1)!);
    const enrollment = await enroll(server, { attributes: { site: 'berlin' } });
    const { answer } = await provision(server, enrollment.token, 'pump-1');
    ({ thing } = answer.body);
    token = answer.body.token.accessToken;
    lambda = await keyWith({ role: 'proxy', bearer: true });
  });
  afterAll(() => server.stop());

  const keyWith = async (request: object): Promise<string> =>
    (await server.owner.post('/v1/api-keys', { name: 'lambda', ...request })).body.key;
  const mqtt = (password: string, more: object = {}) => ({
    signatureVerified: false,
    protocols: ['tls', 'mqtt'],
    connectionMetadata: { id: crypto.randomUUID() },
    protocolData: {
      tls: { serverName: 'iot.example.com' },
      mqtt: { username: 'pump-1', password: Buffer.from(password).toString('base64'), clientId: 'pump-1' },
    },
    ...more,
  });
  const ask = async (event: object, key = lambda) =>
    (await server.as(key).post('/integrations/aws-authorizer', event)).body;
  const refused = { isAuthenticated: false, policyDocuments: [] };

  it('answers exactly what AWS wants, for this thing', async () => {
    const answer = await ask(mqtt(token));
    expect(answer).toEqual({
      isAuthenticated: true,
      principalId: thing.id.replaceAll('-', ''),
      disconnectAfterInSeconds: expect.any(Number),
      refreshAfterInSeconds: 300,
      policyDocuments: [expect.objectContaining({ Version: '2012-10-17' })],
    });
    expect(answer.disconnectAfterInSeconds).toBeGreaterThanOrEqual(300);
    expect(answer.disconnectAfterInSeconds).toBeLessThanOrEqual(900);
    expect(JSON.stringify(answer.policyDocuments)).not.toContain('${');
    expect(JSON.stringify(answer.policyDocuments[0]).length).toBeLessThanOrEqual(2048);
  });

  it('takes the token where AWS puts it: its own field, the password, the bearer of a request', async () => {
    expect(await ask({ token, protocols: ['tls', 'mqtt'] })).toMatchObject({ isAuthenticated: true });
    const http = {
      protocols: ['tls', 'http'],
      protocolData: { http: { headers: { Authorization: `Bearer ${token}` }, queryString: '' } },
    };
    expect(await ask(http)).toMatchObject({ isAuthenticated: true });
    expect(await ask({ protocols: ['tls', 'mqtt'] })).toMatchObject(refused);
    expect(await ask(mqtt('nonsense'))).toMatchObject(refused);
  });

  it('allows nothing that authorize denies', async () => {
    await server.owner.post('/v1/policies', {
      name: 'mixed',
      statements: [
        { id: 'connect', effect: 'allow', actions: ['connect'], resources: ['client:${thing.name}'] },
        {
          id: 'site',
          effect: 'allow',
          actions: ['publish', 'subscribe', 'receive'],
          resources: ['topic:site/${thing.attributes.site}/#', 'topic:kind/${thing.type}/#'],
        },
        {
          id: 'not',
          effect: 'deny',
          actions: ['publish', 'receive'],
          resources: ['topic:site/+/secret', 'topic:x/${thing.attributes.site}'],
        },
        {
          id: 'hours',
          effect: 'allow',
          actions: ['publish'],
          resources: ['topic:now'],
          condition: {
            timeWindows: [
              { from: '00:00', to: '24:00', days: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'], timeZone: 'UTC' },
            ],
          },
        },
      ],
    });
    await server.owner.send('PUT', '/v1/things/pump-1/policies', { policies: ['mixed', 'sensor'] });
    const { policyDocuments } = await ask(mqtt(token));
    const topics = [
      'site/berlin/a',
      'site/berlin/secret',
      'site/paris/a',
      'site/berlin',
      'now',
      'default/pump-1/telemetry/x',
      'default/pump-2/a',
      'x/y:topic/now',
      'kind/a',
    ];
    const filters = [...topics, 'site/berlin/#', 'site/+/a', 'default/pump-1/#', '#', 'default/+/telemetry'];
    const requests: AwsRequest[] = [
      ...topics.flatMap((text) => (['Publish', 'Receive'] as const).map((action) => ({ action, text }))),
      ...filters.map((text) => ({ action: 'Subscribe' as const, text })),
      { action: 'Connect', text: 'pump-1' },
      { action: 'Connect', text: 'pump-2' },
    ];
    let allowed = 0;
    for (const request of requests) {
      const clientId = request.action === 'Connect' ? request.text : 'pump-1';
      const inAws = awsAllows(arn, policyDocuments, { clientId, sourceIp: '192.0.2.1' }, request);
      const resource = request.action === 'Connect' ? `client:${request.text}` : `topic:${request.text}`;
      const { body } = await server.as(lambda).post('/v1/authorize', {
        principal: { token },
        action: request.action.toLowerCase(),
        resource,
        context: { clientId },
      });
      if (inAws) expect(body.decision, JSON.stringify(request)).toBe('allow');
      if (inAws) allowed++;
    }
    expect(allowed).toBeGreaterThan(3);
  });

  it('carries the range of a segment, and refuses a protocol that is not its own', async () => {
    await server.owner.post('/v1/segments', { name: 'plant', cidr: '10.0.0.0/8', allowedProtocols: ['MQTT'] });
    await server.owner.send('PUT', '/v1/segments/plant/things/pump-1');
    const { policyDocuments } = await ask(mqtt(token));
    const own = { action: 'Connect', text: 'pump-1' } as const;
    expect(policyDocuments[0].Statement).toEqual([
      {
        Effect: 'Deny',
        Action: ['iot:*'],
        Resource: ['*'],
        Condition: { NotIpAddress: { 'aws:SourceIp': ['10.0.0.0/8'] } },
      },
    ]);
    expect(awsAllows(arn, policyDocuments.slice(1), { clientId: 'pump-1' }, own)).toBe(true);
    expect(await ask({ token, protocols: ['tls', 'http'] })).toMatchObject(refused);
    expect(await ask({ token, protocols: ['tls', 'http', 'mqtt'] })).toMatchObject({ isAuthenticated: true });
    await server.owner.send('DELETE', '/v1/segments/plant/things/pump-1');
  });

  it('wants a key made bearer, and refuses tokens that are bound, revoked or of another account', async () => {
    expect(await ask(mqtt(token), await keyWith({ role: 'proxy' }))).toMatchObject(refused);
    const { body } = await server.owner.post('/v1/accounts', { name: 'acme' });
    const other = (await server.as(body.ownerKey).post('/v1/api-keys', { name: 'l', role: 'proxy', bearer: true })).body
      .key;
    expect(await ask(mqtt(token), other)).toMatchObject(refused);
    expect((await server.as(undefined).post('/integrations/aws-authorizer', mqtt(token))).status).toBe(401);
    await server.owner.post('/v1/things/pump-1/suspend');
    expect(await ask(mqtt(token))).toMatchObject(refused);
    await server.owner.post('/v1/things/pump-1/resume');
  });

  it('takes a key in the URL only when it was made for that and can do nothing else', async () => {
    const inUrl = await keyWith({ permissions: ['authorize:query'], bearer: true, inUrl: true });
    const strong = { name: 's', permissions: ['authorize:query', 'things:read'], bearer: true, inUrl: true };
    expect((await server.owner.post('/v1/api-keys', strong)).status).toBe(400);
    const path = (key: string) => `/integrations/aws-authorizer?key=${key}`;
    const anonymous = server.as(undefined);
    expect((await anonymous.post(path(inUrl), mqtt(token))).status).toBe(200);
    for (const key of [lambda, server.ownerKey])
      expect(problemOf(await anonymous.post(path(key), mqtt(token)))).toBe('forbidden');
    expect((await anonymous.post(path('twk_nothing'), mqtt(token))).status).toBe(401);
    // Nowhere else.
    expect((await anonymous.post(`/v1/authorize?key=${inUrl}`, {})).status).toBe(401);
    expect((await anonymous.get(`/v1/things?key=${server.ownerKey}`)).status).toBe(401);
  });
});
