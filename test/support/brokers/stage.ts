import { enroll, pemOf, provision, type Device } from '../fleet.js';
import type { TestServer } from '../server.js';

/** A request as a broker or proxy sends it. */
export type Sent = {
  method?: string;
  path: string;
  headers?: Record<string, string>;
  /** An object is JSON; text goes as it is, as a form. */
  body?: object | string | null;
};

/** What came back: an object where it is JSON. */
export type Said = { status: number; headers: Record<string, unknown>; body: unknown };

/** Asks without a connection. */
export async function say(
  server: Pick<TestServer, 'inject'>,
  { method = 'POST', path, headers = {}, body }: Sent,
): Promise<Said> {
  const isForm = typeof body === 'string';
  const type = isForm ? 'application/x-www-form-urlencoded' : 'application/json';
  const answer = await server.inject({
    method: method as 'GET',
    url: path,
    headers: { ...(body === undefined ? {} : { 'content-type': type }), ...headers },
    ...(body === undefined ? {} : { payload: isForm ? body : JSON.stringify(body) }),
  });
  const isJson = /json/.test(String(answer.headers['content-type'] ?? ''));
  return { status: answer.statusCode, headers: answer.headers, body: isJson ? answer.json() : answer.payload };
}

export const tokenOf = ({ answer }: Device): string => answer.body.token.accessToken as string;
/** A certificate as brokers pass it on. */
export const derOf = (device: Device): string => pemOf(device).replace(/-----[^-]+-----|\s/g, '');

/** Policies that most tests of dialects ask about: HTTP below a thing's own path, and its own topics. */
const statements = [
  { id: 'connect', effect: 'allow', actions: ['connect'], resources: ['client:${thing.name}'] },
  { id: 'own', effect: 'allow', actions: ['request'], resources: ['http:GET /things/${thing.name}/#'] },
  {
    id: 'topics',
    effect: 'allow',
    actions: ['publish', 'subscribe', 'receive'],
    resources: ['topic:things/${thing.name}/#'],
  },
  { id: 'secret', effect: 'deny', actions: ['publish', 'receive'], resources: ['topic:things/+/secret'] },
];

export type DialectStage = Awaited<ReturnType<typeof createDialectStage>>;

/** Devices and keys for tests of dialects: `proxy` sees no certificates, `guarded` sees them. */
export async function createDialectStage(server: TestServer) {
  await server.owner.post('/v1/policies', { name: 'own', statements });
  const { token } = await enroll(server, { policies: ['own'] });
  const keyWith = async (request: object): Promise<string> =>
    (await server.owner.post('/v1/api-keys', request)).body.key as string;
  const device = await provision(server, token, 'pump-1');
  const other = await provision(server, token, 'pump-2');
  const suspended = await provision(server, token, 'pump-3');
  const revoked = await provision(server, token, 'pump-4');
  await server.owner.post('/v1/things/pump-3/suspend');
  await server.owner.post('/v1/things/pump-4/revoke', { reason: 'keyCompromise' });
  return {
    device,
    other,
    suspended,
    revoked,
    token,
    keyWith,
    proxy: await keyWith({ role: 'proxy', bearer: true }),
    guarded: await keyWith({ role: 'proxy' }),
    inUrl: await keyWith({ permissions: ['authorize:query'], inUrl: true, bearer: true }),
  };
}
