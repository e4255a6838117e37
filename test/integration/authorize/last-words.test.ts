import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDialectStage, say, type DialectStage } from '../../support/brokers/stage.js';
import { startServer, type TestServer } from '../../support/server.js';

const deny = { status: 200, body: { result: 'deny' } };

describe('what no route of a dialect answers', () => {
  let server: TestServer;
  let stage: DialectStage;
  beforeAll(async () => {
    server = await startServer('embedded');
    stage = await createDialectStage(server);
  });
  afterAll(() => server.stop());

  it('Envoy: 403 to a URL of its client that nobody can read', async () => {
    for (const path of ['%ZZ', 'a%', '%C3%28', 'a/%00'])
      expect(
        await say(server, {
          method: 'GET',
          path: `/integrations/envoy/${path}`,
          headers: { 'x-thingward-key': stage.proxy },
        }),
        path,
      ).toMatchObject({ status: 403, body: { status: 403, type: 'urn:thingward:problem:invalid-request' } });
    expect(await say(server, { method: 'GET', path: '/v1/things/%ZZ' })).toMatchObject({ status: 400 });
  });

  it('EMQX: deny to methods and paths that do not exist', async () => {
    const headers = { authorization: `Bearer ${stage.proxy}` };
    const question = { username: 'pump-1', clientid: 'pump-1', action: 'publish', topic: 'things/pump-1/a' };
    const query = new URLSearchParams(question).toString();
    for (const path of ['authn', 'authz', 'acl', 'authz/', '']) {
      const url = `/integrations/emqx/${path}`;
      expect(await say(server, { method: 'GET', path: `${url}?${query}`, headers }), url).toMatchObject(deny);
      expect(await say(server, { method: 'PUT', path: url, headers, body: question }), url).toMatchObject(deny);
    }
    for (const body of [question, '{', null])
      expect(await say(server, { path: '/integrations/emqx/acl', headers, body })).toMatchObject(deny);
    expect(await say(server, { path: '/integrations/emqx/authz', headers, body: question })).toMatchObject({
      status: 200,
      body: { result: 'allow' },
    });
  });
});

describe('a server that stops', () => {
  const body = JSON.stringify({ username: 'pump-1', clientid: 'pump-1', action: 'publish', topic: 'things/pump-1/a' });

  /** A request with its connection open until the server closes it; `begin` waits until the server has read its head. */
  const begin = async (server: TestServer, key: string, expectBody: string) => {
    let text = '';
    const socket: Socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    const closed = new Promise<string>((resolve) => socket.on('close', () => resolve(text)));
    const continued = new Promise<void>((resolve) =>
      socket.on('data', (bytes) => {
        text += bytes.toString('latin1');
        if (text.includes('100 Continue')) resolve();
      }),
    );
    socket.on('error', () => {});
    const head = (method: string, path: string, more = '') =>
      `${method} ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\n${more}\r\n`;
    const length = `Content-Type: application/json\r\nContent-Length: ${expectBody.length}\r\n`;
    socket.write(head('POST', '/integrations/emqx/authz', `${length}Expect: 100-continue\r\n`));
    await continued;
    return { socket, closed, head, length };
  };
  const isOpen = (url: string): Promise<boolean> =>
    fetch(`${url}/healthz`, { headers: { connection: 'close' } }).then(
      () => true,
      () => false,
    );

  it('answers brokers over the connections that they have, and refuses everybody else', async () => {
    const server = await startServer('embedded');
    const stage = await createDialectStage(server);
    const asking = await begin(server, stage.proxy, body);
    const other = await begin(server, stage.proxy, body);
    const stopped = server.stop();
    await expect.poll(() => isOpen(server.url), { timeout: 60_000 }).toBe(false);
    asking.socket.write(body + asking.head('POST', '/integrations/emqx/authz', asking.length) + body);
    other.socket.write(body + other.head('GET', '/v1/things'));
    const [answers, refusal] = [await asking.closed, await other.closed];
    expect(answers.match(/"result":"allow"/g)).toHaveLength(2);
    expect(answers).not.toContain(' 503 ');
    expect(refusal.match(/"result":"allow"/g)).toHaveLength(1);
    expect(refusal).toMatch(/HTTP\/1\.1 503 [\s\S]*retry-after: 1[\s\S]*urn:thingward:problem:not-ready/i);
    await stopped;
  });
});
