import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { databaseKinds } from '../../support/databases/databases.js';
import { enroll, provision } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

describe.each(databaseKinds)('bodies that come after the end of their key on %s', (kind) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(kind);
    await provision(server, (await enroll(server)).token, 'late');
  });
  afterAll(() => server.stop());

  /** Sends the head of a request, does `meanwhile` once the server waits for the body, then sends that. */
  async function sendLate(key: string, path: string, body: object | undefined, meanwhile: () => Promise<unknown>) {
    const { hostname, port } = new URL(server.url);
    const text = body === undefined ? '' : JSON.stringify(body);
    const chunk = text === '' ? '' : `${text.length.toString(16)}\r\n${text}\r\n`;
    const socket = connect(Number(port), hostname);
    let answer = '';
    socket.on('data', (bytes) => (answer += bytes.toString()));
    // The server says so as soon as it reads the head, which is when it looks at the key.
    const head = `POST ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer ${key}\r\n`;
    socket.write(`${head}content-type: application/json\r\ntransfer-encoding: chunked\r\nexpect: 100-continue\r\n\r\n`);
    while (!answer.includes('100 Continue')) await once(socket, 'data');
    await meanwhile();
    socket.write(`${chunk}0\r\n\r\n`);
    await once(socket, 'close');
    return Number(/HTTP\/1\.1 (?!100)(\d+)/.exec(answer)![1]);
  }

  const newKey = async (more: object = {}): Promise<{ id: string; key: string }> =>
    (await server.owner.post('/v1/api-keys', { role: 'admin', ...more })).body as { id: string; key: string };

  it('a key that was deleted meanwhile makes no other, and reads nothing', async () => {
    const requests: [string, object | undefined][] = [
      ['/v1/api-keys', { role: 'admin' }],
      ['/v1/enrollments', { thingNamePattern: '*', maxUses: 1 }],
      ['/v1/things/late/reenroll', undefined],
      ['/v1/authorize', { principal: { thingName: 'late' }, action: 'connect', resource: 'client:late' }],
      ['/v1/policies/lint', { name: 'x', statements: [] }],
    ];
    const counted = async () => (await server.owner.get('/v1/api-keys')).body.items.length as number;
    const before = await counted();
    for (const [path, body] of requests) {
      const { id, key } = await newKey();
      expect([path, await sendLate(key, path, body, () => Promise.resolve())]).not.toEqual([path, 401]);
      const status = await sendLate(key, path, body, () => server.owner.send('DELETE', `/v1/api-keys/${id}`));
      expect([path, status]).toEqual([path, 401]);
    }
    // One of each round was made while its maker was good.
    expect(await counted()).toBe(before + 1);
  });

  it('nor does one that expired, or whose account was suspended; what happens to other keys changes nothing', async () => {
    const path = '/v1/api-keys';
    const body = { permissions: ['things:read'] };
    const expiresAt = new Date(server.now().getTime() + 60_000).toISOString();
    const expiring = await newKey({ expiresAt });
    const shortLived = { ...body, expiresAt };
    expect(await sendLate(expiring.key, path, shortLived, async () => server.advance(61))).toBe(401);
    const { ownerKey } = (await server.owner.post('/v1/accounts', { name: 'tenant' })).body;
    const suspend = () => server.owner.post('/v1/accounts/tenant/suspend');
    expect(await sendLate(ownerKey as string, path, body, suspend)).toBe(403);
    const [kept, gone] = [await newKey(), await newKey()];
    expect(await sendLate(kept.key, path, body, () => server.owner.send('DELETE', `${path}/${gone.id}`))).toBe(201);
  });
});
