import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rights as rightsShape } from '../../../src/authorize/schema.js';
import { problemOf, type Client } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { enroll, pemOf, provision, type Device } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

const tokenOf = ({ answer }: Device): string => answer.body.token.accessToken as string;

describe.each(databaseKinds)('effective rights on %s', (kind) => {
  let server: TestServer;
  let proxy: Client;
  let device: Device;

  beforeAll(async () => {
    server = await startServer(kind);
    server.freeze();
    proxy = await keyWith({ permissions: ['authorize:query'] });
    const { token } = await enroll(server, { attributes: { site: 'berlin' } });
    device = await provision(server, token, 'pump-1');
  });
  afterAll(() => server.stop());

  const keyWith = async (request: object): Promise<Client> =>
    server.as((await server.owner.post('/v1/api-keys', request)).body.key);
  const attach = (policies: string[]) => server.owner.send('PUT', '/v1/things/pump-1/policies', { policies });
  const ofThing = async () => (await server.owner.get('/v1/things/pump-1/rights')).body;
  const ask = async (principal: object, context?: object) => {
    const { status, body, text } = await proxy.post('/v1/authorize/rights', {
      principal,
      ...(context ? { context } : {}),
    });
    expect(status, text).toBe(200);
    return rightsShape.strict().parse(body);
  };

  it('are the policies of a thing with its own values', async () => {
    await attach(['sensor']);
    const list = await ofThing();
    expect(rightsShape.strict().parse(list)).toEqual(list);
    const endpoints = ['telemetry_endpoint', 'config_endpoint'];
    expect(list).toMatchObject({
      allow: [
        { action: 'connect', resource: 'client:pump-1' },
        { action: 'publish', resource: 'topic:default/pump-1/telemetry/#' },
        { action: 'subscribe', resource: 'topic:default/pump-1/#' },
        { action: 'receive', resource: 'topic:default/pump-1/#' },
        ...endpoints.flatMap((name) =>
          ['read', 'send_telemetry'].map((action) => ({ action, resource: `endpoint:${name}` })),
        ),
      ],
      deny: [],
    });
    expect(new Date(list.validUntil).getTime()).toBeGreaterThan(server.now().getTime());
    for (const principal of [
      { token: tokenOf(device), certificatePem: pemOf(device) },
      { certificatePem: pemOf(device) },
      { thingName: 'pump-1' },
    ])
      expect((await ask(principal)).allow, JSON.stringify(principal)).toEqual(list.allow);
  });

  it('follow a change at once, and say nothing of who may do nothing', async () => {
    await server.owner.post('/v1/things/pump-1/suspend');
    const everything = { allow: [], deny: [{ action: '*', resource: '*' }] };
    expect(await ofThing()).toMatchObject({ ...everything, reasons: ['certificate-revoked'] });
    await server.owner.post('/v1/things/pump-1/resume');
    expect((await ofThing()).allow).not.toEqual([]);
    expect(await ask({ thingName: 'nobody' })).toMatchObject({ ...everything, reasons: ['unknown-principal'] });
    expect(await ask({ token: 'x.y.z' })).toMatchObject({ ...everything, reasons: ['token-invalid'] });
  });

  it('hold what the context leaves open as conditions, and end with their hours', async () => {
    const window = {
      from: '00:00',
      to: '24:00',
      days: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'],
      timeZone: 'UTC',
    };
    const today = new Intl.DateTimeFormat('en', { weekday: 'short', timeZone: 'UTC' })
      .format(server.now())
      .toLowerCase();
    await server.owner.post('/v1/policies', {
      name: 'open',
      statements: [
        {
          id: 'a',
          effect: 'allow',
          actions: ['publish'],
          resources: ['topic:site/${thing.attributes.site}'],
          condition: { sourceCidrs: ['10.0.0.0/8'], qos: [0, 1], timeWindows: [{ ...window, days: [today] }] },
        },
        { id: 'b', effect: 'deny', actions: ['receive'], resources: ['topic:${thing.type}'] },
      ],
    });
    await attach(['open']);
    const midnight = new Date(server.now().getTime() + 86_400_000).toISOString().slice(0, 10);
    const right = { action: 'publish', resource: 'topic:site/berlin', until: `${midnight}T00:00:00Z` };
    const { allow, deny } = await ofThing();
    expect(allow).toEqual([{ ...right, condition: { sourceCidrs: ['10.0.0.0/8'], qos: [0, 1] } }]);
    expect(deny).toEqual([
      { action: 'receive', resource: '*' },
      { action: 'subscribe', resource: '*' },
    ]);
    const full = await ask({ thingName: 'pump-1' }, { sourceIp: '10.1.2.3', protocol: 'mqtts', qos: 1 });
    expect(full.allow).toEqual([right]);
    expect((await ask({ thingName: 'pump-1' }, { sourceIp: '192.0.2.1' })).allow).toEqual([]);
  });

  it('say what the segment of the thing leaves', async () => {
    await attach(['sensor']);
    await server.owner.post('/v1/segments', { name: 'plant', cidr: '10.0.0.0/8', allowedProtocols: ['MQTT'] });
    await server.owner.send('PUT', '/v1/segments/plant/things/pump-1');
    const condition = { sourceCidrs: ['10.0.0.0/8'], protocols: ['mqtt', 'mqtts', 'ws', 'wss'] };
    const { allow } = await ofThing();
    expect(allow).not.toEqual([]);
    for (const right of allow) expect(right).toMatchObject({ condition });
    const inside = await ask({ thingName: 'pump-1' }, { sourceIp: '10.1.2.3', protocol: 'mqtts' });
    expect(inside.allow.filter(({ condition: open }) => open !== undefined)).toEqual([]);
    expect(await ask({ thingName: 'pump-1' }, { sourceIp: '192.0.2.1', protocol: 'mqtts' })).toMatchObject({
      allow: [],
      reasons: ['outside-segment'],
    });
    await server.owner.send('DELETE', '/v1/segments/plant/things/pump-1');
  });

  it('agree with /v1/authorize about every right that they name', async () => {
    await attach(['sensor', 'open', 'camera']);
    const context = { sourceIp: '10.1.2.3', protocol: 'mqtts', clientId: 'pump-1', qos: 0, retain: false };
    const { allow } = await ask({ thingName: 'pump-1' }, context);
    expect(allow.length).toBeGreaterThan(5);
    for (const { action, resource } of allow) {
      const asked = action === 'subscribe' ? resource : resource.replace('#', 'x');
      const { body } = await proxy.post('/v1/authorize', {
        principal: { thingName: 'pump-1' },
        action,
        resource: asked,
        context,
      });
      // What the list denies beside it counts too.
      expect(body.decision, `${action} ${asked}`).toBe(
        action === 'subscribe' || action === 'receive' ? 'deny' : 'allow',
      );
    }
    const another = await ask({ thingName: 'pump-1' }, { ...context, clientId: 'pump-2' });
    expect(another.allow.filter(({ action }) => ['publish', 'subscribe', 'receive'].includes(action))).toEqual([]);
    await attach(['sensor']);
  });

  it('are for those who may read things and policies, or ask', async () => {
    const reader = await keyWith({ permissions: ['things:read', 'policies:read'] });
    expect((await reader.get('/v1/things/pump-1/rights')).status).toBe(200);
    expect(problemOf(await reader.get('/v1/things/nobody/rights'))).toBe('not-found');
    const half = await keyWith({ permissions: ['things:read'] });
    expect(problemOf(await half.get('/v1/things/pump-1/rights'))).toBe('forbidden');
    const { body } = await server.owner.post('/v1/accounts', { name: 'acme' });
    const foreign = server.as(body.ownerKey);
    expect(problemOf(await foreign.get('/v1/things/pump-1/rights'))).toBe('not-found');
    const asked = await foreign.post('/v1/authorize/rights', { principal: { certificatePem: pemOf(device) } });
    expect(asked.body).toMatchObject({ allow: [], reasons: ['unknown-principal'] });
  });
});
