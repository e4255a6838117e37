import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCredential } from '../../../src/access/credentials.js';
import { anyDatabase, databaseKinds, freshDatabase } from '../../support/databases/databases.js';
import {
  createDialectStage,
  derOf,
  say,
  tokenOf,
  type DialectStage,
  type Said,
  type Sent,
} from '../../support/brokers/stage.js';
import { startServer, type TestServer } from '../../support/server.js';

/** One dialect: a request that is allowed, and what its broker takes for a no. */
type Dialect = { sent(stage: DialectStage): Sent; isNo(said: Said): boolean; readsBodies: boolean };

const json = (path: string, body: (stage: DialectStage) => object, headers: Record<string, string> = {}) => ({
  sent: (stage: DialectStage): Sent => ({ path: `/integrations/${path}`, body: body(stage), headers }),
  readsBodies: true,
});
const status403 = ({ status }: Said): boolean => status === 403;
const member =
  (name: string, value: unknown) =>
  ({ status, body }: Said): boolean =>
    status === 200 && JSON.stringify((body as Record<string, unknown>)[name]) === JSON.stringify(value);
const forward = (proxy: string, [method, uri]: [string, string]): Dialect => ({
  sent: ({ device }) => ({
    method: 'GET',
    path: `/integrations/forward-auth/${proxy}`,
    headers: { [method]: 'GET', [uri]: '/things/pump-1/a', 'x-device': tokenOf(device) },
  }),
  isNo: status403,
  readsBodies: false,
});
const rabbit = (path: string, fields: Record<string, string>): Dialect => ({
  sent: () => ({ path: `/integrations/rabbitmq/${path}`, body: new URLSearchParams(fields).toString() }),
  isNo: ({ status, body }) => status === 200 && body === 'deny',
  readsBodies: true,
});
const own = { username: 'pump-1', clientid: 'pump-1', topic: 'things/pump-1/a' };
const login = (stage: DialectStage) => ({ username: 'pump-1', clientid: 'pump-1', password: tokenOf(stage.device) });
const verne = { username: 'pump-1', client_id: 'pump-1', topic: 'things/pump-1/a', qos: 0, retain: false };
const isNotOk = ({ status, body }: Said): boolean => status === 403 && (body as { ok: unknown }).ok === false;

const dialects: Record<string, Dialect> = {
  nginx: forward('nginx', ['x-original-method', 'x-original-uri']),
  haproxy: forward('haproxy', ['x-original-method', 'x-original-uri']),
  traefik: forward('traefik', ['x-forwarded-method', 'x-forwarded-uri']),
  caddy: forward('caddy', ['x-forwarded-method', 'x-forwarded-uri']),
  envoy: {
    sent: ({ device }) => ({
      method: 'GET',
      path: '/integrations/envoy/things/pump-1/a',
      headers: { 'x-device': tokenOf(device) },
    }),
    isNo: status403,
    readsBodies: false,
  },
  'emqx authn': { ...json('emqx/authn', login), isNo: member('result', 'deny') },
  'emqx authz': { ...json('emqx/authz', () => ({ ...own, action: 'publish' })), isNo: member('result', 'deny') },
  'rabbitmq user': rabbit('user', { username: 'pump-1' }),
  'rabbitmq vhost': rabbit('vhost', { username: 'pump-1', client_id: 'pump-1', vhost: '/' }),
  'rabbitmq resource': rabbit('resource', {
    username: 'pump-1',
    client_id: 'pump-1',
    resource: 'exchange',
    name: 'amq.topic',
    permission: 'read',
  }),
  'rabbitmq topic': rabbit('topic', {
    username: 'pump-1',
    resource: 'topic',
    name: 'amq.topic',
    permission: 'write',
    routing_key: 'things.pump-1.a',
    'variable_map.client_id': 'pump-1',
  }),
  'mosquitto user': { ...json('mosquitto/user', login), isNo: isNotOk },
  'mosquitto acl': { ...json('mosquitto/acl', () => ({ ...own, acc: 2 })), isNo: isNotOk },
  'vernemq register': {
    ...json('vernemq', (stage) => ({ ...verne, password: tokenOf(stage.device) }), {
      'vernemq-hook': 'auth_on_register',
    }),
    isNo: member('result', { error: 'not_allowed' }),
  },
  'vernemq publish': {
    ...json('vernemq', () => verne, { 'vernemq-hook': 'auth_on_publish' }),
    isNo: member('result', { error: 'not_allowed' }),
  },
  mgate: {
    ...json('mgate', (stage) => ({ action: 'connect', clientId: 'pump-1', certificatePem: derOf(stage.device) })),
    isNo: member('decision', 'deny'),
  },
  nats: { ...json('nats', (stage) => ({ ...login(stage), clientId: 'pump-1' })), isNo: member('decision', 'deny') },
  hivemq: {
    ...json('hivemq', (stage) => ({ action: 'connect', clientId: 'pump-1', certificatePem: derOf(stage.device) })),
    isNo: member('decision', 'deny'),
  },
};
const names = Object.keys(dialects);

/** The request with a key: proxies pass the token of the device on as Authorization. */
function withKey({ headers = {}, ...sent }: Sent, key: string): Sent {
  const { 'x-device': device, ...others } = headers;
  const shown =
    device === undefined
      ? { authorization: `Bearer ${key}` }
      : { authorization: `Bearer ${device}`, 'x-thingward-key': key };
  return { ...sent, headers: { ...others, ...shown } };
}

describe.each(databaseKinds)('every dialect on %s', (kind) => {
  // What is sent and said is judged without a database; that one is away is not.
  const once = anyDatabase.includes(kind) ? names : [];
  let server: TestServer;
  let stage: DialectStage;
  beforeAll(async () => {
    server = await startServer(kind, { THINGWARD_FAILED_CREDENTIALS_PER_MINUTE: '1000000' });
    stage = await createDialectStage(server);
  });
  afterAll(() => server.stop());

  const no = async (name: string, sent: Sent, what: string) => {
    const said = await say(server, sent);
    expect(dialects[name]!.isNo(said), `${name}, ${what}: ${said.status} ${JSON.stringify(said.body)}`).toBe(true);
  };

  it.each(once)('%s: yes where everything is right', async (name) => {
    const { sent, isNo } = dialects[name]!;
    const said = await say(server, withKey(sent(stage), stage.proxy));
    expect([said.status, isNo(said)]).toEqual([name === 'envoy' || dialects[name]!.readsBodies ? 200 : 204, false]);
  });

  it.each(once)('%s: its own no to every caller that may not ask', async (name) => {
    const sent = dialects[name]!.sent(stage);
    const { 'x-device': _, ...headers } = sent.headers ?? {};
    await no(name, { ...sent, headers }, 'no key');
    const deleted = (await server.owner.post('/v1/api-keys', { role: 'proxy', bearer: true })).body;
    await server.owner.send('DELETE', `/v1/api-keys/${deleted.id}`);
    const closed = (await server.owner.post('/v1/accounts', { name: `c-${names.indexOf(name)}-${kind}` })).body
      .ownerKey as string;
    await server.owner.post(`/v1/accounts/c-${names.indexOf(name)}-${kind}/suspend`);
    const callers = {
      'an unknown key': createCredential('twk').token,
      'a deleted key': deleted.key as string,
      'the key of a suspended account': closed,
      'a key without the permission': await stage.keyWith({ permissions: ['things:read'] }),
      'an enrollment token': stage.token,
      'a device': tokenOf(stage.device),
    };
    for (const [what, key] of Object.entries(callers)) await no(name, withKey(sent, key), what);
    const foreign = (await server.owner.post('/v1/accounts', { name: `f-${names.indexOf(name)}-${kind}` })).body
      .ownerKey as string;
    const said = await say(server, withKey(sent, foreign));
    expect(dialects[name]!.isNo(said) || said.status === 401, `the key of another account: ${said.status}`).toBe(true);
    const path = `${sent.path}?key=${stage.proxy}`;
    await no(name, { ...sent, path, headers: { ...headers } }, 'a key in the URL that may not stand there');
  });

  it.each(once.filter((name) => dialects[name]!.readsBodies))(
    '%s: its own no to bodies that it cannot read',
    async (name) => {
      const sent = withKey(dialects[name]!.sent(stage), stage.proxy);
      const raw = async (what: string, type: string, payload: string | Buffer, more: Record<string, string> = {}) => {
        const headers = { ...sent.headers, 'content-type': type, ...more };
        const answer = await server.inject({ method: 'POST', url: sent.path, headers, payload });
        const isJson = /json/.test(String(answer.headers['content-type']));
        const said = {
          status: answer.statusCode,
          headers: answer.headers,
          body: isJson ? answer.json() : answer.payload,
        };
        expect(dialects[name]!.isNo(said), `${name}, ${what}: ${said.status} ${JSON.stringify(said.body)}`).toBe(true);
      };
      await raw('no JSON', 'application/json', '{');
      await raw('nothing', 'application/json', '');
      await raw('a list', 'application/json', '[]');
      await raw('numbers for names', 'application/json', '{"username":1,"clientid":{},"action":[]}');
      await raw('nested without end', 'application/json', `${'{"a":'.repeat(300)}1${'}'.repeat(300)}`);
      await raw('another type', 'text/xml', '<a/>');
      await raw('no such packing', 'application/json', '{}', { 'content-encoding': 'br' });
      await raw('a broken packing', 'application/json', '{}', { 'content-encoding': 'gzip' });
      await raw('too much', 'application/json', JSON.stringify({ username: 'x'.repeat(2_000_000) }));
    },
  );

  it.each(names)('%s: its own no to a bug, and while the database is away', async (name) => {
    const db = server.database.client;
    // Whoever is not remembered is looked up: a certificate that nobody has asked about yet, and a name.
    const fresh = { ...stage, device: stage.other };
    const sent = withKey(dialects[name]!.sent(fresh), stage.proxy);
    const text = JSON.stringify(sent).replaceAll('pump-1', `absent-${names.indexOf(name)}`);
    await db.$executeRawUnsafe('ALTER TABLE certificates RENAME TO certificates_away');
    try {
      const said = await say(server, JSON.parse(text) as Sent);
      expect(
        dialects[name]!.isNo(said) || said.status === 403,
        `${name}: ${said.status} ${JSON.stringify(said.body)}`,
      ).toBe(true);
    } finally {
      await db.$executeRawUnsafe('ALTER TABLE certificates_away RENAME TO certificates');
    }
  });
});

describe.runIf(databaseKinds.includes('postgresql'))('an instance without its lease', () => {
  it('says the own no of every dialect', async () => {
    const database = await freshDatabase('postgresql');
    const server = await startServer('postgresql', {
      ...database.settings,
      THINGWARD_OWNER_KEY: createCredential('twk').token,
    });
    try {
      const stage = await createDialectStage(server);
      const asked = names.map((name) => withKey(dialects[name]!.sent(stage), stage.proxy));
      for (const [index, name] of names.entries())
        expect(dialects[name]!.isNo(await say(server, asked[index]!)), name).toBe(false);
      // It runs out when nobody renews it.
      await server.services.log.close();
      for (const [index, name] of names.entries()) {
        const said = await say(server, asked[index]!);
        expect(dialects[name]!.isNo(said), `${name}: ${said.status} ${JSON.stringify(said.body)}`).toBe(true);
      }
      const trust = {
        method: 'GET',
        path: '/integrations/rabbitmq/trust',
        headers: { authorization: `Bearer ${stage.proxy}` },
      };
      expect(await say(server, trust)).toMatchObject({ status: 200, body: { certificates: [] } });
    } finally {
      await server.stop();
      database.remove();
    }
  });
});
