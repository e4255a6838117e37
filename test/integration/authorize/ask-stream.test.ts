import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answer as answerShape } from '../../../src/authorize/schema.js';
import { openAskStream, refusedStream } from '../../support/authorize/ask-stream.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { enroll, provision, type Device } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

const telemetry = 'topic:default/pump-1/telemetry/temp';

describe.each(databaseKinds)('the stream of questions on %s', (kind) => {
  let server: TestServer;
  let key: string;
  let device: Device;
  beforeAll(async () => {
    server = await startServer(kind);
    key = (await server.owner.post('/v1/api-keys', { permissions: ['authorize:query'] })).body.key;
    const { token } = await enroll(server, { policies: ['sensor'] });
    device = await provision(server, token, 'pump-1');
  });
  afterAll(() => server.stop());

  const principals = (): object[] => [
    { thingName: 'pump-1' },
    { thingName: 'nobody' },
    { token: device.answer.body.token.accessToken },
    { token: 'nonsense' },
    { certificatePem: device.answer.body.certificate.pem },
    { fingerprint: device.answer.body.certificate.fingerprint },
    { fingerprint: 'ab'.repeat(32) },
  ];

  it('answers as POST /v1/authorize does, each with its id', async () => {
    const stream = await openAskStream(server.url, key);
    const asked = principals().flatMap((principal) =>
      ['publish', 'subscribe', 'connect'].map((action) => ({ principal, action, resource: telemetry })),
    );
    const answers = await Promise.all(asked.map((question, id) => stream.ask({ id, ...question })));
    for (const [n, question] of asked.entries()) {
      const { id, ...answer } = answers[n]!;
      expect(id).toBe(n);
      const { body } = await server.as(key).post('/v1/authorize', question);
      const { validUntil: _, cursor: __, ...expected } = body;
      expect(answerShape.strict().parse(answer)).toMatchObject(expected);
    }
    stream.socket.close();
    await stream.closed;
  });

  it('answers thousands that were sent at once, each once', async () => {
    const stream = await openAskStream(server.url, key);
    const known = principals();
    const answers = await Promise.all(
      Array.from({ length: 5000 }, (_, n) =>
        stream.ask({ id: `q-${n}`, principal: known[n % known.length]!, action: 'publish', resource: telemetry }),
      ),
    );
    expect(answers.filter(({ problem }) => problem === undefined)).toHaveLength(5000);
    expect(stream.told).toHaveLength(5000);
    stream.socket.close();
  });

  it('tells what is wrong with a message, and goes on', async () => {
    const stream = await openAskStream(server.url, key);
    const good = { principal: { thingName: 'pump-1' }, action: 'publish', resource: telemetry };
    const bad: [text: string, id: unknown][] = [
      ['', null],
      ['{', null],
      ['[]', null],
      ['null', null],
      ['{}', null],
      [JSON.stringify(good), null],
      [JSON.stringify({ ...good, id: 'x'.repeat(201) }), null],
      [JSON.stringify({ ...good, id: {} }), null],
      ['{"__proto__":{"id":1},"id":2}', null],
    ];
    for (const [text, id] of bad)
      expect(await stream.say(text), text).toMatchObject({
        id,
        problem: { type: 'urn:thingward:problem:invalid-request', status: 400, detail: expect.any(String) },
      });
    const refused = await stream.ask({ id: 7, ...good, more: true });
    expect(refused['problem']).toMatchObject({ detail: expect.stringContaining('message') });
    const unreadable = await stream.ask({ id: 8, ...good, principal: { certificatePem: 'no certificate' } });
    expect(unreadable['problem']).toMatchObject({ detail: expect.stringContaining('principal.certificatePem') });
    expect(await stream.ask({ id: 9, ...good, context: null })).toMatchObject({ decision: 'allow' });
    stream.socket.close();
  });

  it('refuses who may not ask, before anything is opened', async () => {
    const other = (await server.owner.post('/v1/api-keys', { permissions: ['things:read'] })).body.key as string;
    expect((await refusedStream(server.url, {})).status).toBe(401);
    expect((await refusedStream(server.url, { authorization: 'Bearer twk_nonsense' })).status).toBe(401);
    expect((await refusedStream(server.url, { authorization: `Bearer ${other}` })).status).toBe(403);
    const plain = await server.as(key).get('/v1/authorize/stream');
    expect([plain.status, plain.body.type]).toEqual([426, 'urn:thingward:problem:upgrade-required']);
  });

  it('ends binary frames, and messages that are larger than any question', async () => {
    const binary = await openAskStream(server.url, key);
    binary.socket.send(Buffer.from('{}'));
    expect(await binary.closed).toMatchObject({ code: 1003 });
    const large = await openAskStream(server.url, key);
    large.socket.send('x'.repeat(600_000));
    expect(await large.closed).toMatchObject({ code: 1009 });
  });

  it('ends with 4401 when the key is deleted, and the keys of others go on', async () => {
    const { body } = await server.owner.post('/v1/api-keys', { permissions: ['authorize:query'] });
    const [ended, going] = [await openAskStream(server.url, body.key), await openAskStream(server.url, key)];
    await server.owner.send('DELETE', `/v1/api-keys/${body.id}`);
    expect(await ended.closed).toMatchObject({ code: 4401 });
    expect((await refusedStream(server.url, { authorization: `Bearer ${body.key}` })).status).toBe(401);
    const question = { id: 1, principal: { thingName: 'pump-1' }, action: 'publish', resource: telemetry };
    expect(await going.ask(question)).toMatchObject({ decision: 'allow' });
    going.socket.close();
  });

  it('ends with 4401 when the key expires', async () => {
    const expiresAt = new Date(server.now().getTime() + 60_000).toISOString();
    const { body } = await server.owner.post('/v1/api-keys', { permissions: ['authorize:query'], expiresAt });
    const stream = await openAskStream(server.url, body.key);
    server.advance(61);
    await server.services.chores.run('end-expired-questions');
    expect(await stream.closed).toMatchObject({ code: 4401 });
  });

  it('knows of a revocation with the first answer after it', async () => {
    const { token } = await enroll(server, { policies: ['sensor'] });
    await provision(server, token, 'pump-2');
    const stream = await openAskStream(server.url, key);
    const question = {
      principal: { thingName: 'pump-2' },
      action: 'publish',
      resource: 'topic:default/pump-2/telemetry/temp',
    };
    expect(await stream.ask({ id: 1, ...question })).toMatchObject({ decision: 'allow' });
    await server.owner.post('/v1/things/pump-2/revoke', { reason: 'keyCompromise' });
    expect(await stream.ask({ id: 2, ...question })).toMatchObject({ decision: 'deny' });
    stream.socket.close();
  });

  it('refuses more streams than a key may have', async () => {
    const few = await startServer(kind, { THINGWARD_STREAMS_PER_KEY: '2' });
    const { body } = await few.owner.post('/v1/api-keys', { permissions: ['authorize:query'] });
    const [one] = [await openAskStream(few.url, body.key), await openAskStream(few.url, body.key)];
    const bearer = { authorization: `Bearer ${body.key}` };
    expect((await refusedStream(few.url, bearer)).status).toBe(429);
    one.socket.close();
    await one.closed;
    const again = await openAskStream(few.url, body.key);
    await few.stop();
    expect(await again.closed).toMatchObject({ code: 1001 });
  });

  it('answers requests that ask for another upgrade as if they did not', async () => {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    const body = JSON.stringify({ principal: { thingName: 'pump-1' }, action: 'publish', resource: telemetry });
    const ask = (upgrade: string) =>
      `POST /v1/authorize HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${key}\r\ncontent-type: application/json\r\n${upgrade}content-length: ${body.length}\r\n\r\n${body}`;
    const upgrade = 'connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n';
    // The body of the second comes later, and the third follows on the same connection.
    const [second, third] = [ask(upgrade), ask('')];
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const answers = () => text.split('"decision":"allow"').length - 1;
    const until = async (count: number) => {
      while (answers() < count) await once(socket, 'data');
    };
    socket.write(ask(upgrade));
    await until(1);
    socket.write(second.slice(0, -20));
    socket.write(second.slice(-20));
    await until(2);
    socket.write(third);
    await until(3);
    // Some clients ask with every request of a connection: nothing may pile up.
    const warnings: string[] = [];
    const note = ({ message }: Error) => warnings.push(message);
    process.on('warning', note);
    for (let count = 4; count < 40; count++) {
      socket.write(ask(upgrade));
      await until(count);
    }
    process.off('warning', note);
    socket.destroy();
    expect(warnings).toEqual([]);
    expect(answers()).toBe(39);
  });
});
