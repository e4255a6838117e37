import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { anyDatabase } from '../../support/databases/databases.js';
import { createDialectStage, say, tokenOf, type DialectStage } from '../../support/brokers/stage.js';
import { startServer, type TestServer } from '../../support/server.js';

describe.each(anyDatabase)('dialects of RabbitMQ and mosquitto-go-auth on %s', (kind) => {
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

  describe('RabbitMQ', () => {
    const own = { username: 'pump-1', vhost: '/', client_id: 'pump-1', tags: '' };
    /** The same by POST and by GET. */
    const ask = async (path: string, fields: Record<string, string>): Promise<string> => {
      const posted = await post(`rabbitmq/${path}`, form(fields));
      const got = await say(server, {
        method: 'GET',
        path: `/integrations/rabbitmq/${path}?${form(fields)}`,
        headers: key,
      });
      // Where the settings have a key in the URL already.
      const appended = await say(server, {
        method: 'GET',
        path: `/integrations/rabbitmq/${path}?key=${stage.inUrl}?${form(fields)}`,
      });
      expect([got.status, got.body]).toEqual([posted.status, posted.body]);
      expect([appended.status, appended.body]).toEqual([posted.status, posted.body]);
      expect(posted.status).toBe(200);
      expect(posted.headers['content-type']).toContain('text/plain');
      return posted.body as string;
    };

    it('user: a login by token under its own name, or by the name of a certificate that RabbitMQ verified', async () => {
      const login = { username: 'pump-1', password: token, vhost: '/', client_id: 'pump-1' };
      expect(await ask('user', login)).toBe('allow');
      expect(await ask('user', { username: 'pump-1' })).toBe('allow');
      expect(await ask('user', { ...login, username: 'pump-2' })).toBe('deny');
      expect(await ask('user', { ...login, client_id: 'pump-2' })).toBe('deny');
      expect(await ask('user', { ...login, password: '' })).toBe('deny');
      expect(await ask('user', { ...login, password: 'x' })).toBe('deny');
      for (const username of ['pump-3', 'pump-4', 'nobody', '', 'a\0b'])
        expect(await ask('user', { username })).toBe('deny');
      expect(await ask('user', {})).toBe('deny');
      // Two passwords are not none: that would be a certificate.
      const twice = 'username=pump-1&password=x&password=y';
      expect((await post('rabbitmq/user', twice)).body).toBe('deny');
      const got = { method: 'GET', path: `/integrations/rabbitmq/user?${twice}`, headers: key };
      expect((await say(server, got)).body).toBe('deny');
    });

    it('vhost and resource: for the client id of the thing, its own queues and the exchange', async () => {
      expect(await ask('vhost', { ...own, ip: '10.1.2.3' })).toBe('allow');
      expect(await ask('vhost', { ...own, client_id: 'pump-2', ip: '10.1.2.3' })).toBe('deny');
      expect(await ask('vhost', { ...own, username: 'pump-3', client_id: 'pump-3' })).toBe('deny');
      const queue = { ...own, resource: 'queue', name: 'mqtt-subscription-pump-1qos1' };
      for (const permission of ['configure', 'write', 'read'])
        expect(await ask('resource', { ...queue, permission })).toBe('allow');
      expect(await ask('resource', { ...queue, permission: 'read', name: 'mqtt-subscription-pump-2qos1' })).toBe(
        'deny',
      );
      expect(await ask('resource', { ...queue, permission: 'read', client_id: 'pump-2' })).toBe('deny');
      const exchange = { ...own, resource: 'exchange', name: 'amq.topic' };
      expect(await ask('resource', { ...exchange, permission: 'read' })).toBe('allow');
      expect(await ask('resource', { ...exchange, permission: 'write' })).toBe('allow');
      expect(await ask('resource', { ...exchange, permission: 'configure' })).toBe('deny');
      expect(await ask('resource', { ...exchange, name: 'amq.default', permission: 'write' })).toBe('deny');
    });

    it('topic: keys are topics, and a read is a subscription that receives', async () => {
      const topic = (permission: string, key: string, more: object = {}) =>
        ask('topic', {
          username: 'pump-1',
          vhost: '/',
          resource: 'topic',
          name: 'amq.topic',
          permission,
          tags: '',
          routing_key: key,
          'variable_map.client_id': 'pump-1',
          'variable_map.username': 'pump-1',
          'variable_map.vhost': '/',
          ...more,
        });
      expect(await topic('write', 'things.pump-1.state')).toBe('allow');
      expect(await topic('write', 'things.pump-2.state')).toBe('deny');
      expect(await topic('write', 'things.pump-1.secret')).toBe('deny');
      expect(await topic('write', 'things.pump-1.*')).toBe('deny');
      expect(await topic('read', 'things.pump-1.state.*')).toBe('allow');
      expect(await topic('read', 'things.pump-1.#')).toBe('deny');
      expect(await topic('read', '#')).toBe('deny');
      expect(await topic('configure', 'things.pump-1.state')).toBe('deny');
      expect(await topic('write', 'things.pump-1.state', { name: 'amq.direct' })).toBe('deny');
      expect(await topic('write', 'things.pump-1.state', { 'variable_map.client_id': 'pump-2' })).toBe('deny');
      // A dot in a denied topic cannot be told from a slash: nothing is allowed beside it.
      await server.owner.post('/v1/policies', {
        name: 'dotted',
        statements: [{ id: 'd', effect: 'deny', actions: ['publish'], resources: ['topic:things/pump-1.secret'] }],
      });
      await server.owner.send('PUT', '/v1/things/pump-1/policies', { policies: ['own', 'dotted'] });
      expect(await topic('write', 'things.pump-1.state')).toBe('deny');
      await server.owner.send('PUT', '/v1/things/pump-1/policies', { policies: ['own'] });
    });

    it('trust: the certificates that are valid now, and the PEM of each', async () => {
      const get = (path: string, headers = key) =>
        say(server, { method: 'GET', path: `/integrations/rabbitmq/trust${path}`, headers });
      const list = async () => ((await get('')).body as { certificates: { id: string; path: string }[] }).certificates;
      const before = await list();
      expect(before.map(({ id }) => id).sort()).toEqual(
        [stage.device, stage.other].map(({ answer }) => answer.body.certificate.fingerprint as string).sort(),
      );
      const { id, path } = before.find(({ id: each }) => each === stage.other.answer.body.certificate.fingerprint)!;
      expect(path).toBe(`/${id}.pem`);
      expect((await get(path)).body).toBe(stage.other.answer.body.certificate.pem);
      await server.owner.post('/v1/things/pump-2/suspend');
      expect((await list()).map((each) => each.id)).not.toContain(id);
      expect(await get(path)).toMatchObject({ status: 404 });
      await server.owner.post('/v1/things/pump-2/resume');
      expect((await list()).map((each) => each.id)).toContain(id);
      // After an error RabbitMQ keeps what it had, so nobody is trusted instead.
      const nobody = { status: 200, body: { certificates: [] } };
      expect(await get('', {})).toMatchObject(nobody);
      const asks = await stage.keyWith({ permissions: ['authorize:query'] });
      expect(await get('', { authorization: `Bearer ${asks}` })).toMatchObject(nobody);
      const { ownerKey } = (await server.owner.post('/v1/accounts', { name: `trust-${kind}` })).body;
      expect(await get('', { authorization: `Bearer ${ownerKey}` })).toMatchObject(nobody);
      expect(await get(path, { authorization: `Bearer ${ownerKey}` })).toMatchObject({ status: 404 });
    });
  });

  describe('mosquitto-go-auth', () => {
    const yes = { status: 200, body: { ok: true } };
    const no = { status: 403, body: { ok: false } };
    /** The same in JSON and as a form. */
    const ask = async (path: string, fields: Record<string, string | number>) => {
      const texts = Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, String(value)]));
      const [json, formed] = [await post(`mosquitto/${path}`, fields), await post(`mosquitto/${path}`, form(texts))];
      expect([formed.status, (formed.body as { ok: boolean }).ok]).toEqual([
        json.status,
        (json.body as { ok: boolean }).ok,
      ]);
      return json;
    };
    const acl = (topic: string, acc: number, more: object = {}) => ({
      username: 'pump-1',
      clientid: 'pump-1',
      topic,
      acc,
      ...more,
    });

    it('http: users by token under their own name, nobody above the policies, and every kind of access', async () => {
      const login = { username: 'pump-1', password: token, clientid: 'pump-1' };
      expect(await ask('user', login)).toMatchObject(yes);
      for (const more of [
        { username: 'pump-2' },
        { password: 'x' },
        { clientid: 'pump-2' },
        { username: '' },
        { password: '' },
      ])
        expect(await ask('user', { ...login, ...more }), JSON.stringify(more)).toMatchObject(no);
      expect(await ask('superuser', { username: 'pump-1' })).toMatchObject(no);
      const state = 'things/pump-1/state';
      for (const acc of [1, 2, 3, 4]) expect(await ask('acl', acl(state, acc)), String(acc)).toMatchObject(yes);
      for (const acc of [0, 5, 7]) expect(await ask('acl', acl(state, acc)), String(acc)).toMatchObject(no);
      for (const acc of [1, 2, 3, 4]) expect(await ask('acl', acl('things/pump-1/secret', acc))).toMatchObject(no);
      expect(await ask('acl', acl('things/pump-1/#', 4))).toMatchObject(no);
      expect(await ask('acl', acl(state, 2, { clientid: 'pump-2' }))).toMatchObject(no);
      expect(await ask('acl', acl('things/pump-3/a', 2, { username: 'pump-3', clientid: 'pump-3' }))).toMatchObject(no);
    });

    it('NanoMQ asks about logins the same way, and reads the status', async () => {
      const login = (fields: object) =>
        say(server, {
          path: '/integrations/mosquitto/user',
          headers: { 'x-thingward-key': stage.proxy },
          body: form({ clientid: 'pump-1', username: 'pump-1', password: token, ...fields }),
        });
      expect(await login({})).toMatchObject(yes);
      for (const fields of [{ password: 'x' }, { clientid: 'pump-2' }, { username: 'pump-2' }, { password: '' }])
        expect(await login(fields), JSON.stringify(fields)).toMatchObject(no);
    });

    it('jwt: the token of the device in Authorization, the key in the URL, and a body that may be null', async () => {
      const remote = (path: string, body: object | string | null, jwt = token, inUrl = stage.inUrl) =>
        say(server, {
          path: `/integrations/mosquitto/${path}?key=${inUrl}`,
          headers: { authorization: `Bearer ${jwt}` },
          body,
        });
      expect(await remote('user', null)).toMatchObject(yes);
      expect(await remote('user', '')).toMatchObject(yes);
      expect(await remote('superuser', null)).toMatchObject(no);
      expect(await remote('user', null, 'x.y.z')).toMatchObject(no);
      expect(await remote('user', null, tokenOf(stage.revoked))).toMatchObject(no);
      const asked = { clientid: 'pump-1', topic: 'things/pump-1/state', acc: 2 };
      expect(await remote('acl', asked)).toMatchObject(yes);
      expect(await remote('acl', { ...asked, clientid: 'pump-2' })).toMatchObject(no);
      expect(await remote('acl', { ...asked, topic: 'things/pump-2/state' })).toMatchObject(no);
      // A device cannot ask by itself.
      expect(
        await say(server, {
          path: '/integrations/mosquitto/user',
          headers: { authorization: `Bearer ${token}` },
          body: null,
        }),
      ).toMatchObject(no);
    });
  });
});
