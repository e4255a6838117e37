import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest';
import type { Sinks } from '../../../src/edge/sinks/sinks.js';
import { isListening } from '../../support/edge/brokers.js';
import { createStateDir, drained, numbered, openTestSinks, until } from '../../support/gateway/sink-stage.js';
import { freePort } from '../../support/ports.js';
import { describeWith } from '../../support/programs.js';

describeWith(['nats-server'], 'a sink for NATS JetStream', () => {
  const state = createStateDir();
  let server: ChildProcess;
  let port: number;
  let open: Sinks | undefined;
  let admin: NatsConnection;
  let count = 0;

  const start = async (): Promise<void> => {
    const users =
      '{user: edge, password: edge, permissions: {publish: {deny: "site.acme.forbidden.>"}}}, {user: admin, password: admin}';
    const file = state.at(`nats-${count}.conf`);
    writeFileSync(
      file,
      `listen: "127.0.0.1:${port}"\njetstream {store_dir: "${state.at(`js-${count}`)}"}\nauthorization {users: [${users}]}\n`,
    );
    server = spawn('nats-server', ['-c', file], { stdio: 'ignore' });
    await until(() => server.exitCode !== null || server.pid !== undefined, 'nats');
    while (!(await isListening(port))) await new Promise((resolve) => setTimeout(resolve, 20));
    admin = await connect({ servers: `127.0.0.1:${port}`, user: 'admin', pass: 'admin' });
  };
  const stop = async (): Promise<void> => {
    await admin.close();
    const ended = once(server, 'exit');
    server.kill('SIGKILL');
    await ended;
  };
  const ask = async (what: string, given: object): Promise<any> =>
    (await admin.request(`$JS.API.${what}`, JSON.stringify(given))).json();
  const kept = async (): Promise<{ subject: string; data: string; hdrs: string }[]> => {
    const { state: found } = await ask('STREAM.INFO.SITE', {});
    const messages: { subject: string; data: string; hdrs: string }[] = [];
    for (let seq = found.first_seq; seq <= found.last_seq && found.messages > 0; seq++) {
      const { message } = await ask('STREAM.MSG.GET.SITE', { seq });
      if (message)
        messages.push({
          ...message,
          data: Buffer.from(message.data, 'base64').toString(),
          hdrs: Buffer.from(message.hdrs, 'base64').toString(),
        });
    }
    return messages;
  };

  beforeEach(async () => {
    count++;
    port = await freePort();
    await start();
    const { error } = await ask('STREAM.CREATE.SITE', {
      name: 'SITE',
      subjects: ['site.>'],
      storage: 'file',
      max_msg_size: 2000,
    });
    expect(error).toBeUndefined();
  });
  afterEach(async () => {
    await open?.close();
    await stop();
    open = undefined;
  });
  afterAll(() => state.remove());

  const openSink = async () => {
    const passwordFile = state.at('password');
    writeFileSync(passwordFile, 'edge');
    const js = {
      kind: 'nats',
      url: `nats://127.0.0.1:${port}`,
      subject: 'site',
      username: 'edge',
      passwordFile,
    } as const;
    const opened = await openTestSinks(state.at(`state-${count}`), { js });
    open = opened.sinks;
    return opened;
  };

  it('has every message in order, with its id as that of NATS', async () => {
    const { sinks } = await openSink();
    await Promise.all(Array.from({ length: 600 }, (_, number) => sinks.put('js', numbered(number))));
    // What a stream has by its id already, it takes as a duplicate.
    await sinks.put('js', numbered(599));
    await sinks.put('js', { ...numbered(600), topic: 'acme/a.b/*/>//ü' });
    expect(await drained(sinks, 'js')).toMatchObject({ delivered: 602, refused: 0, connected: true });
    const found = await kept();
    expect(found.map(({ data }) => (JSON.parse(data) as { number: number }).number)).toEqual(
      Array.from({ length: 601 }, (_, number) => number),
    );
    expect(found[5]!.subject).toBe('site.acme.thing-2.telemetry');
    expect(found[5]!.hdrs).toContain('Nats-Msg-Id: m-5');
    expect(found[5]!.hdrs).toContain('Thingward-Topic: acme/thing-2/telemetry');
    expect(found[600]!.subject).toBe('site.acme.a%2Eb.%2A.%3E.%.%C3%BC');
  });

  it('keeps messages while the server is away', async () => {
    const { sinks, heard } = await openSink();
    await sinks.put('js', numbered(0));
    await drained(sinks, 'js');
    await stop();
    for (let number = 1; number < 40; number++) await sinks.put('js', numbered(number));
    await until(() => heard.failed.length > 0, 'that it is away');
    expect(sinks.counts()['js']).toMatchObject({ kept: 39, connected: false });
    await start();
    await drained(sinks, 'js');
    expect((await kept()).map(({ data }) => (JSON.parse(data) as { number: number }).number)).toEqual(
      Array.from({ length: 40 }, (_, number) => number),
    );
  });

  it('counts what the stream or the server will never take, and goes on', async () => {
    const { sinks, heard } = await openSink();
    await sinks.put('js', numbered(0));
    await sinks.put('js', { ...numbered(1), payload: Buffer.alloc(5000) });
    await sinks.put('js', { ...numbered(2), payload: Buffer.alloc(3_000_000) });
    await sinks.put('js', { ...numbered(3), topic: 'acme/forbidden/x' });
    await sinks.put('js', numbered(4));
    expect(await drained(sinks, 'js')).toMatchObject({ delivered: 2, refused: 3 });
    expect(heard.refused).toEqual(['m-1', 'm-2', 'm-3']);
  });

  it('waits where no stream takes the subject', async () => {
    const { sinks, heard } = await openSink();
    await ask('STREAM.DELETE.SITE', {});
    await sinks.put('js', numbered(0));
    await until(() => heard.failed.length > 0, 'that nobody takes it');
    expect(sinks.counts()['js']).toMatchObject({ kept: 1, refused: 0 });
    await ask('STREAM.CREATE.SITE', { name: 'SITE', subjects: ['site.>'] });
    await drained(sinks, 'js');
    expect(await kept()).toHaveLength(1);
  });
});
