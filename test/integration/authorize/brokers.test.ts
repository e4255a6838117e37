import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { anyDatabase } from '../../support/databases/databases.js';
import { createDialectStage, derOf, say, tokenOf, type DialectStage } from '../../support/brokers/stage.js';
import { startServer, type TestServer } from '../../support/server.js';

describe.each(anyDatabase)('dialects of EMQX, VerneMQ and mGate on %s', (kind) => {
  let server: TestServer;
  let stage: DialectStage;
  let key: Record<string, string>;
  let token: string;
  beforeAll(async () => {
    server = await startServer(kind);
    server.freeze();
    stage = await createDialectStage(server);
    key = { authorization: `Bearer ${stage.proxy}` };
    token = tokenOf(stage.device);
  });
  afterAll(() => server.stop());

  const post = (path: string, body: object | string | null, headers: Record<string, string> = {}) =>
    say(server, { path: `/integrations/${path}`, headers: { ...key, ...headers }, body });
  const form = (fields: Record<string, string>) => new URLSearchParams(fields).toString();

  describe('EMQX', () => {
    // As the guide tells EMQX to write it; what it does not know is empty.
    const login = (more: object = {}) => ({
      clientid: 'pump-1',
      username: 'pump-1',
      password: token,
      peerhost: '10.1.2.3',
      cert: '',
      listener: 'ssl:default',
      ...more,
    });
    const message = (more: object = {}) => ({
      clientid: 'pump-1',
      username: 'pump-1',
      action: 'publish',
      topic: 'things/pump-1/state',
      qos: '1',
      retain: 'false',
      peerhost: '10.1.2.3',
      listener: 'ssl:default',
      ...more,
    });
    const deny = { status: 200, body: { result: 'deny' } };

    it('authn says what a session may do, and when it ends', async () => {
      const { status, body } = await post('emqx/authn', login());
      const now = server.now().getTime() / 1000;
      expect([status, body]).toEqual([
        200,
        {
          result: 'allow',
          is_superuser: false,
          expire_at: expect.any(Number),
          client_attrs: { thing: 'pump-1', account: 'default' },
          acl: [
            { permission: 'deny', action: 'publish', topic: 'things/+/secret' },
            { permission: 'deny', action: 'subscribe', topic: 'things/+/secret' },
            { permission: 'allow', action: 'publish', topic: 'things/pump-1/#' },
            // To subscribe to all of it is to receive what is denied.
            { permission: 'deny', action: 'all', topic: '#' },
          ],
        },
      ]);
      const { expire_at: ends } = body as { expire_at: number };
      expect(Number.isInteger(ends)).toBe(true);
      expect(ends).toBeGreaterThan(now);
      expect(ends).toBeLessThanOrEqual(now + 900);
    });

    it('authn takes a certificate, alone and beside its token', async () => {
      const cert = derOf(stage.device);
      expect((await post('emqx/authn', login({ cert, password: '' }))).body).toMatchObject({ result: 'allow' });
      expect((await post('emqx/authn', login({ cert, username: '', password: '' }))).body).toMatchObject({
        result: 'allow',
      });
      expect((await post('emqx/authn', login({ cert }))).body).toMatchObject({ result: 'allow' });
      expect(await post('emqx/authn', login({ cert: derOf(stage.other) }))).toMatchObject(deny);
    });

    it('authn denies whoever may not connect, and a name that is another’s', async () => {
      const { suspended, revoked, other } = stage;
      for (const more of [
        { password: '' },
        { password: 'x.y.z' },
        { clientid: 'pump-2' },
        { clientid: '' },
        { username: 'pump-2' },
        { password: tokenOf(suspended), username: 'pump-3', clientid: 'pump-3' },
        { password: tokenOf(revoked), username: 'pump-4', clientid: 'pump-4' },
        { password: '', cert: derOf(revoked), username: '', clientid: 'pump-4' },
        { password: tokenOf(other) },
        { username: null, password: null, clientid: null },
      ])
        expect(await post('emqx/authn', login(more)), JSON.stringify(more).slice(0, 80)).toEqual({
          ...deny,
          headers: expect.anything(),
        });
    });

    it('authz decides one message or subscription, and receives what it subscribes to', async () => {
      const result = async (more: object) =>
        ((await post('emqx/authz', message(more))).body as { result: string }).result;
      expect(await result({})).toBe('allow');
      expect(await result({ qos: 1, retain: false })).toBe('allow');
      expect(await result({ topic: 'things/pump-2/state' })).toBe('deny');
      expect(await result({ topic: 'things/pump-1/secret' })).toBe('deny');
      expect(await result({ action: 'subscribe', topic: 'things/pump-1/state/#' })).toBe('allow');
      expect(await result({ action: 'subscribe', topic: 'things/pump-1/#' })).toBe('deny');
      expect(await result({ action: 'subscribe', topic: '$share/g/things/pump-1/state/#' })).toBe('allow');
      expect(await result({ clientid: 'pump-2' })).toBe('deny');
      expect(await result({ username: 'pump-2' })).toBe('deny');
      expect(await result({ username: '', thing: 'pump-1' })).toBe('allow');
      expect(await result({ username: '' })).toBe('deny');
      expect(await result({ action: 'all' })).toBe('deny');
      expect(await result({ username: 'pump-3', clientid: 'pump-3', topic: 'things/pump-3/a' })).toBe('deny');
      expect(await result({ username: 'a\0b' })).toBe('deny');
    });

    it('RMQTT asks in forms, with a number for the action', async () => {
      const fields = { clientid: 'pump-1', username: 'pump-1', topic: 'things/pump-1/state', access: '2' };
      expect((await post('emqx/authz', form(fields))).body).toMatchObject({ result: 'allow' });
      expect((await post('emqx/authz', form({ ...fields, access: '1' }))).body).toMatchObject({ result: 'allow' });
      expect((await post('emqx/authz', form({ ...fields, access: '3' }))).body).toEqual({ result: 'deny' });
      const logged = form({ clientid: 'pump-1', username: 'pump-1', password: token });
      expect((await post('emqx/authn', logged)).body).toMatchObject({ result: 'allow' });
    });

    it('a session ends with the hours of its rights', async () => {
      const until = new Date(server.now().getTime() + 10 * 60_000);
      const time = (at: Date) => at.toISOString().slice(11, 16);
      const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
      const window = {
        from: time(new Date(server.now().getTime() - 3_600_000)),
        to: time(until),
        days,
        timeZone: 'UTC',
      };
      await server.owner.post('/v1/policies', {
        name: 'hours',
        statements: [
          {
            id: 'c',
            effect: 'allow',
            actions: ['connect'],
            resources: ['client:${thing.name}'],
            condition: { timeWindows: [window] },
          },
        ],
      });
      await server.owner.send('PUT', '/v1/things/pump-1/policies', { policies: ['hours'] });
      const { body } = await post('emqx/authn', login());
      expect(body).toMatchObject({
        result: 'allow',
        expire_at: Math.floor(Date.parse(`${until.toISOString().slice(0, 16)}:00Z`) / 1000),
      });
      await server.owner.send('PUT', '/v1/things/pump-1/policies', { policies: ['own'] });
    });
  });

  describe('VerneMQ', () => {
    const hook = (name: string, body: object) => post('vernemq', body, { 'vernemq-hook': name });
    const client = { client_id: 'pump-1', mountpoint: '', username: 'pump-1', peer_addr: '10.1.2.3', peer_port: 5 };
    const register = () => ({ ...client, password: token, clean_session: true, listener_type: 'mqtts' });
    const no = { status: 200, headers: { 'cache-control': 'max-age=0' }, body: { result: { error: 'not_allowed' } } };
    const ok = { status: 200, headers: { 'cache-control': 'max-age=5' }, body: { result: 'ok' } };

    it.each(['auth_on_register', 'auth_on_register_m5'])('%s lets a device in, and keeps its name', async (name) => {
      expect(await hook(name, register())).toMatchObject(ok);
      const { username: _, password: __, ...bare } = register();
      const byCertificate = await hook(name, {
        ...bare,
        username: null,
        password: null,
        client_cert: derOf(stage.device),
      });
      expect(byCertificate.body).toEqual({ result: 'ok', modifiers: { username: 'pump-1' } });
      for (const more of [
        { password: null },
        { username: 'pump-2' },
        { client_id: 'pump-2' },
        { password: tokenOf(stage.suspended) },
      ])
        expect(await hook(name, { ...register(), ...more })).toMatchObject(no);
    });

    it.each(['auth_on_publish', 'auth_on_publish_m5'])('%s decides by topic', async (name) => {
      const publish = { ...client, qos: 1, topic: 'things/pump-1/state', payload: 'aGk=', retain: false };
      expect(await hook(name, publish)).toMatchObject(ok);
      for (const more of [
        { topic: 'things/pump-1/secret' },
        { topic: 'things/pump-2/a' },
        { username: null },
        { client_id: 'x' },
      ])
        expect(await hook(name, { ...publish, ...more })).toMatchObject(no);
    });

    it('auth_on_subscribe refuses filter by filter, in the words of each version', async () => {
      const topics = [
        { topic: 'things/pump-1/state/#', qos: 1 },
        { topic: 'things/pump-1/#', qos: 2 },
      ];
      const refused = (qos: number) => [topics[0], { ...topics[1], qos }];
      expect((await hook('auth_on_subscribe', { ...client, topics })).body).toEqual({
        result: 'ok',
        topics: refused(128),
      });
      const m5 = await hook('auth_on_subscribe_m5', { ...client, topics, properties: {} });
      expect(m5.body).toEqual({ result: 'ok', modifiers: { topics: refused(135) } });
      expect(await hook('auth_on_subscribe', { ...client, topics: topics.slice(1) })).toMatchObject(no);
      expect(await hook('auth_on_subscribe', { ...client, topics: [] })).toMatchObject(no);
    });

    it('a hook that does not decide, or none, is a no', async () => {
      for (const name of ['on_client_offline', 'auth_on_register_m6', ''])
        expect(await hook(name, register())).toMatchObject(no);
      expect(await post('vernemq', register())).toMatchObject(no);
    });
  });

  describe('mGate', () => {
    const ask = async (body: object) => {
      const said = await post('mgate', body);
      expect(said.status).toBe(200);
      return said.body as { decision: string; topics: { topic: string; decision: string }[]; validUntil: string };
    };
    const session = () => ({ clientId: 'pump-1', username: 'pump-1', password: token });

    it('decides a session, and all topics of a packet in one call', async () => {
      const connected = await ask({ action: 'connect', ...session() });
      expect(connected).toEqual({ decision: 'allow', topics: [], validUntil: expect.any(String) });
      expect(Date.parse(connected.validUntil)).toBeGreaterThan(server.now().getTime());
      const topics = ['things/pump-1/state', 'things/pump-1/secret'];
      expect(await ask({ action: 'publish', ...session(), topics })).toMatchObject({
        decision: 'deny',
        topics: [
          { topic: topics[0], decision: 'allow' },
          { topic: topics[1], decision: 'deny' },
        ],
      });
      expect(await ask({ action: 'publish', ...session(), topics: topics.slice(0, 1) })).toMatchObject({
        decision: 'allow',
      });
      expect(await ask({ action: 'subscribe', ...session(), topics: ['things/pump-1/state/#'] })).toMatchObject({
        decision: 'allow',
      });
      expect(await ask({ action: 'receive', ...session(), topics: ['things/pump-1/state'] })).toMatchObject({
        decision: 'allow',
      });
    });

    it('takes a certificate or its fingerprint, and denies everybody else', async () => {
      const { fingerprint, pem } = stage.device.answer.body.certificate as { fingerprint: string; pem: string };
      for (const shown of [{ fingerprint }, { certificatePem: pem }, { password: token, certificatePem: pem }])
        expect(await ask({ action: 'connect', clientId: 'pump-1', ...shown })).toMatchObject({ decision: 'allow' });
      for (const more of [
        { password: 'x' },
        { username: 'pump-2' },
        { clientId: 'pump-2' },
        { clientId: undefined },
        { password: undefined },
      ])
        expect(await ask({ action: 'connect', ...session(), ...more }), JSON.stringify(more)).toMatchObject({
          decision: 'deny',
        });
      expect(await ask({ action: 'publish', ...session() })).toMatchObject({ decision: 'deny', topics: [] });
      expect(await ask({ action: 'fly', ...session() })).toMatchObject({ decision: 'deny', topics: [] });
    });
  });
});
