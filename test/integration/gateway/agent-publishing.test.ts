import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../../support/edge/stage.js';
import { createPublishStage, firsts, type PublishStage } from '../../support/gateway/publish-stage.js';
import { describeWith } from '../../support/programs.js';

describeWith(['mosquitto'], 'the agent publishes', () => {
  let stage: PublishStage;
  let edge: Awaited<ReturnType<PublishStage['startEdge']>>;

  beforeAll(async () => {
    stage = await createPublishStage();
    edge = await stage.startEdge();
  });
  afterAll(() => stage.stop());

  it('what comes in on stdin, in its order, with ids that receivers see, and ends when it is told to', async () => {
    await stage.provision('tap');
    const { received, stop } = await stage.subscribe('tap');
    const { agent, output } = stage.run('tap', edge.portOf(0), ['--exit-when-empty', '--json']);
    const lines = [
      '{"topic":"~/telemetry","payload":{"temp":21.5,"text":"ä"},"id":"a-1"}',
      '',
      '{"topic":"default/tap/raw","payloadBase64":"AAEC/w==","qos":0,"id":"a-2"}',
      'no json',
      '{"topic":"~/telemetry/+","payload":1}',
      '{"topic":"~/x\\u0000","payload":1}',
      '{"topic":"~/state","payload":"on","retain":true,"id":"a-3"}',
      '{"topic":"~/secret/x","payload":1,"id":"a-4"}',
      `{"topic":"~/long","payload":"${'x'.repeat(300_000)}"}`,
      '{"topic":"~/telemetry","payload":null,"id":"a-5"}',
      '{"topic":"~/telemetry","payl',
    ];
    agent.stdin.end(lines.join('\n'));
    await once(agent, 'exit');
    expect(agent.exitCode, output()).toBe(0);
    await eventually(
      () => received,
      (all) => all.length === 4,
    );
    expect(received.map(({ topic, payload, id }) => [topic, payload.toString('latin1'), id])).toEqual([
      ['default/tap/telemetry', Buffer.from('{"temp":21.5,"text":"ä"}').toString('latin1'), 'a-1'],
      ['default/tap/raw', '\0\x01\x02\xff', 'a-2'],
      ['default/tap/state', '"on"', 'a-3'],
      ['default/tap/telemetry', 'null', 'a-5'],
    ]);
    expect(received[0]!.packet.properties).toMatchObject({ contentType: 'application/json' });
    expect(output()).toContain('stdin: a line was left out: line 4: write a JSON object');
    expect(output()).toContain('stdin: 4 lines were left out');
    expect(output()).toContain('a message was not published: default/tap/secret/x: it does not allow this');
    const ended = output()
      .split('\n')
      .find((line) => line.includes('"ended":true'))!;
    expect(JSON.parse(ended)).toMatchObject({ sent: 4, denied: 1, waiting: 0, dropped: 0 });
    stop();
  });

  it('what comes in on a socket that only its user can open, and answers each line', async () => {
    await stage.provision('socket');
    const { received, stop } = await stage.subscribe('socket');
    const path = stage.at('publish.sock');
    const first = stage.run('socket', edge.portOf(0), ['--socket', path]);
    await eventually(first.output, (text) => text.includes('messages are taken on the socket'));
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const socket = connect(path);
    const answers: object[] = [];
    createInterface(socket).on('line', (line) => void answers.push(JSON.parse(line) as object));
    socket.write('{"topic":"~/a","payload":1,"id":"s-1"}\n{"topic":1,"payload":1,"id":"s-2"}\n');
    socket.end(`${'x'.repeat(400_000)}\n{"topic":"~/b","payload":2}\n{"topic":"~/c","payload":3,"id":"s-4"}`);
    await once(socket, 'close');
    expect(answers).toEqual([
      { id: 's-1', kept: true },
      expect.objectContaining({ id: 's-2', kept: false, status: 400, type: 'urn:thingward:problem:bad-message' }),
      expect.objectContaining({ kept: false, status: 413, type: 'urn:thingward:problem:message-too-large' }),
      { id: expect.stringMatching(/^[0-9a-f-]{36}$/) as string, kept: true },
      { id: 's-4', kept: true },
    ]);
    await eventually(
      () => received,
      (all) => all.length === 3,
    );
    expect(firsts(received)).toEqual(['s-1', (answers[3] as { id: string }).id, 's-4']);

    const others: [string[], RegExp][] = [
      [['--socket', path], /the queue socket\/queue cannot be used .*in use.*name another folder with --queue/],
      [['--socket', path, '--queue', 'other'], /another program listens on/],
    ];
    for (const [more, text] of others) {
      const second = stage.run('socket', edge.portOf(0), more);
      await once(second.agent, 'exit');
      expect([second.agent.exitCode, second.output()]).toEqual([4, expect.stringMatching(text) as string]);
    }
    await first.kill();
    expect(existsSync(path)).toBe(true);
    const third = stage.run('socket', edge.portOf(0), ['--socket', path]);
    await eventually(third.output, (text) => text.includes('messages are taken on the socket'));
    await third.kill();
    stop();
  });

  it('what programs of this machine post, and nothing of a web page', async () => {
    await stage.provision('poster');
    const { received, stop } = await stage.subscribe('poster');
    const { output, kill } = stage.run('poster', edge.portOf(0), ['--http', '0', '--json']);
    const text = await eventually(output, (said) => /"http":\d+/.test(said));
    const port = Number(/"http":(\d+)/.exec(text)![1]);
    const post = async (headers: Record<string, string>, body = '{"topic":"~/a","payload":1}', path = '/publish') => {
      const sent = request({ port, host: '127.0.0.1', method: 'POST', path, headers });
      sent.end(body);
      const [response] = (await once(sent, 'response')) as [IncomingMessage];
      let answer = '';
      for await (const part of response) answer += (part as Buffer).toString();
      return { status: response.statusCode, body: JSON.parse(answer) as Record<string, unknown> };
    };
    const json = { 'content-type': 'application/json' };
    const first = await post({ ...json, host: `localhost:${port}` });
    expect(first).toEqual({ status: 202, body: { id: expect.any(String) as string } });
    const cases: [Record<string, string>, number][] = [
      [{ ...json, host: 'things.example.com' }, 403],
      [{ ...json, host: `evil.localhost:${port}` }, 403],
      [{ ...json, origin: 'http://localhost:3000' }, 403],
      [{ ...json, origin: 'null' }, 403],
      [{ ...json, 'sec-fetch-site': 'same-origin' }, 403],
      [{ 'content-type': 'text/plain' }, 415],
      [{}, 415],
    ];
    for (const [headers, status] of cases)
      expect({ headers, status: (await post(headers)).status }).toEqual({ headers, status });
    expect((await post(json, '{')).body).toMatchObject({ type: 'urn:thingward:problem:bad-message', status: 400 });
    expect((await post(json, '{}', '/')).status).toBe(404);
    expect((await post(json, `"${'x'.repeat(300_000)}"`)).status).toBe(413);
    await eventually(
      () => received,
      (all) => all.length === 1,
    );
    const queue = await eventually(
      async () => (await (await fetch(`http://127.0.0.1:${port}/queue`)).json()) as Record<string, number>,
      ({ sent, waiting }) => sent === 1 && waiting === 0,
    );
    expect(queue).toMatchObject({ sent: 1, refused: 0, mostBytes: 67_108_864 });
    await kill();
    stop();
  });
});
