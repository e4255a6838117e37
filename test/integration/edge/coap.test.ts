import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  answersIn,
  coapClient,
  observe,
  openEnd,
  requestOf,
  sequenceOf,
  start,
  wordsOf,
  type Asked,
} from '../../support/edge/coap.js';
import { createEdgeStage, eventually, type EdgeStage } from '../../support/edge/stage.js';
import { describeWith } from '../../support/programs.js';
import { useKey } from '../../support/fleet.js';

type StartedEdge = Awaited<ReturnType<EdgeStage['startEdge']>>;

describeWith(['mosquitto', 'mosquitto_pub', 'mosquitto_sub', coapClient], 'CoAP over UDP, by libcoap', () => {
  let stage: EdgeStage;
  let edge: StartedEdge;
  let brokerPort: string;

  beforeAll(async () => {
    stage = await createEdgeStage();
    const url = await stage.startBroker();
    brokerPort = new URL(url).port;
    const broker = { url, username: '${account}/${thing.name}', passwordFile: stage.at('broker.pw') };
    edge = await stage.startEdge([{ protocol: 'coap' }], { upstream: { mqtt: broker } });
  });
  afterAll(() => stage.stop());

  /** Starts libcoap; it ends after its answer, or with `-s` later. */
  const client = (method: string, path: string, token: string, more: string[] = []) => {
    const shown = token === '' ? [] : ['-O', `65001,${token}`];
    const args = ['-m', method, '-B', '5', '-v', '7', ...shown, ...more, `coap://127.0.0.1:${edge.portOf(0)}/${path}`];
    const running = start(coapClient, args, stage.at(''));
    stage.children.push(running.child);
    return running;
  };
  const ask = async (method: string, path: string, token: string, more: string[] = []) => {
    const said = await client(method, path, token, more).ended;
    return { said, code: answersIn(said).at(-1) };
  };
  const retained = (topic: string, payload: string) =>
    start('mosquitto_pub', ['-p', brokerPort, '-r', '-q', '1', '-t', topic, '-m', payload], stage.at('')).ended;
  const tell = (topic: string, payload: string, qos = '1') =>
    start('mosquitto_pub', ['-p', brokerPort, '-q', qos, '-t', topic, '-m', payload], stage.at('')).ended;
  const hear = (topic: string) => {
    const heard = start('stdbuf', ['-oL', 'mosquitto_sub', '-p', brokerPort, '-t', topic, '-v', '-d'], stage.at(''));
    stage.children.push(heard.child);
    return eventually(heard.said, (text) => text.includes('SUBACK')).then(() => heard);
  };
  const sessionsOf = async (name: string) =>
    (await stage.server.owner.get(`/v1/sessions?thing=${name}`)).body.items as { protocol: string; clientId: string }[];
  const isEnforced = async (position: number): Promise<boolean> => {
    const { items } = (await stage.server.owner.get(`/v1/revocations/${position}`)).body;
    return (items as { name: string; enforcedAt?: string }[]).some(
      (each) => each.name === edge.name && each.enforcedAt,
    );
  };

  it('publishes what is allowed, and no octet of what is not', async () => {
    const [{ name, token }, other] = [await stage.addDevice(), await stage.addDevice()];
    const heard = await hear('#');
    expect((await ask('post', `${name}/a`, token, ['-e', 'hello'])).code).toBe('2.04');
    expect((await ask('post', `${name}/a`, token, ['-N', '-e', 'once'])).code).toBe('2.04');
    const denied = await ask('post', `${other.name}/a`, token, ['-e', 'forbidden']);
    expect([denied.code, denied.said]).toEqual(['4.03', expect.stringContaining('denied by policy')]);
    await eventually(heard.said, (text) => text.includes('once'));
    expect(heard.said()).toContain(`${name}/a hello`);
    expect(heard.said()).not.toContain('forbidden');
    heard.child.kill();
  });

  it('takes the token as mGate does, and as ?token=, and nobody without one', async () => {
    const { name, token } = await stage.addDevice();
    const end = await openEnd(edge.portOf(0));
    const queries = [
      [`auth=${token}`],
      [`token=${token}`],
      [],
      ['token=no.token.atall'],
      [`token=${token}`, 'client=other'],
    ];
    for (const [index, query] of queries.entries()) {
      const more = query.map((each) => ({ number: 15, value: Buffer.from(each) }));
      await end.send(requestOf({ method: 'post', path: `${name}/a`, payload: 'x', id: 10 + index, more }));
      await eventually(
        () => end.got.length,
        (count) => count === index + 1,
      );
    }
    expect(end.got.map(wordsOf)).toEqual([
      'ack 2.04',
      'ack 2.04',
      'ack 4.01',
      expect.stringMatching(/^ack 4\.01 token-invalid/),
      'ack 4.03 no-matching-statement: connect client:other',
    ]);
    end.close();
  });

  it('reads what is retained, and what was put', async () => {
    const { name, token } = await stage.addDevice();
    expect((await ask('get', `${name}/a`, token)).code).toBe('4.04');
    await retained(`${name}/a`, 'from the broker');
    const read = await ask('get', `${name}/a`, token);
    expect([read.code, read.said]).toEqual(['2.05', expect.stringContaining('from the broker')]);
    expect((await ask('put', `${name}/b`, token, ['-t', '50', '-e', '{"t":21}'])).code).toBe('2.04');
    const put = await ask('get', `${name}/b`, token);
    expect(put.said).toMatch(/c:2\.05 .*Content-Format:application\/json.*\{"t":21\}|t.:21/);
    expect((await ask('get', `${name}/b`, token, ['-A', '0'])).code).toBe('4.06');
    expect((await ask('get', 'foreign/a', token)).code).toBe('4.03');
    expect((await ask('delete', `${name}/b`, token)).code).toBe('4.05');
    expect((await ask('get', '', token)).code).toBe('4.04');
    expect((await ask('get', '.well-known/core', '')).said).toContain('thingward edge');
  });

  it('reads and publishes in blocks, also where datagrams are lost', async () => {
    const { name, token } = await stage.addDevice();
    const body = Array.from({ length: 4000 }, (_, at) => String.fromCharCode(97 + (at % 26))).join('');
    writeFileSync(stage.at('body.txt'), body);
    const heard = await hear(`${name}/#`);
    expect((await ask('put', `${name}/big`, token, ['-f', 'body.txt', '-b', '512', '-B', '40', '-l', '3'])).code).toBe(
      '2.04',
    );
    await eventually(heard.said, (text) => text.includes(body));
    const answer = client('get', `${name}/big`, token, ['-b', '256', '-o', 'got.txt']);
    await answer.ended;
    expect(readFileSync(stage.at('got.txt'), 'utf8')).toBe(body);
    heard.child.kill();
  }, 60_000);

  it('tells observers each value with rising numbers, until they want no more', async () => {
    const { name, token } = await stage.addDevice();
    await retained(`${name}/a`, 'value 0');
    const watcher = client('get', `${name}/a`, token, ['-s', '60']);
    await eventually(watcher.said, (text) => text.includes('value 0'));
    for (let at = 1; at <= 5; at++) await tell(`${name}/a`, `value ${at}`);
    await eventually(watcher.said, (text) => text.includes('value 5'));
    const numbers = [...watcher.said().matchAll(/c:2\.05 .*Observe:(\d+).*value (\d)/g)].map(([, number, value]) => [
      Number(number),
      Number(value),
    ]);
    expect(numbers.map(([, value]) => value)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(numbers.every(([number], at) => at === 0 || number! > numbers[at - 1]![0]!)).toBe(true);
    watcher.child.kill();
    const end = await openEnd(edge.portOf(0));
    const asked: Asked = { path: `${name}/a`, token, more: [observe(0)], id: 7 };
    await end.send(requestOf(asked));
    await eventually(
      () => end.got.length,
      (count) => count === 1,
    );
    await tell(`${name}/a`, 'one more');
    const notified = await eventually(
      () => end.got[1],
      (got) => got !== undefined,
    );
    expect([wordsOf(notified!), sequenceOf(notified!)! > sequenceOf(end.got[0]!)!]).toEqual([
      'con 2.05 one more',
      true,
    ]);
    // It wants no more: a reset ends the observation.
    await end.send(Buffer.of(0x70, 0, notified!.id >> 8, notified!.id & 255));
    await end.send(requestOf({ ...asked, id: 8, more: [], method: 'post', payload: 'after the reset' }));
    await eventually(
      () => end.got.length,
      (count) => count >= 3,
    );
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(end.got.slice(2).map(wordsOf)).toEqual(['ack 2.04']);
    end.close();
  }, 60_000);

  it('lists its sessions, and ends observations when the device is suspended, before it says so', async () => {
    const { name, token } = await stage.addDevice();
    const end = await openEnd(edge.portOf(0));
    await end.send(requestOf({ path: `${name}/a`, token, more: [observe(0)], id: 1 }));
    await eventually(
      () => end.got.length,
      (count) => count === 1,
    );
    const [session] = await eventually(
      () => sessionsOf(name),
      (items) => items.length === 1,
    );
    expect(session).toMatchObject({ protocol: 'coap', clientId: name });
    const { status, body } = await stage.server.owner.post(`/v1/things/${name}/suspend`);
    expect(status).toBe(200);
    const at = performance.now();
    const last = await eventually(
      () => end.got[1],
      (got) => got !== undefined,
    );
    expect(wordsOf(last!)).toMatch(/^non 4\.01 (?:thing-suspended|certificate-revoked)/);
    expect(performance.now() - at).toBeLessThan(1000);
    if (body.position !== undefined) await eventually(() => isEnforced(body.position as number), Boolean);
    await eventually(
      () => sessionsOf(name),
      (items) => items.length === 0,
    );
    await tell(`${name}/a`, 'nobody hears this');
    await end.send(requestOf({ path: `${name}/a`, token, id: 2 }));
    await eventually(
      () => end.got.length,
      (count) => count === 3,
    );
    expect(wordsOf(end.got[2]!)).toMatch(/^ack 4\.01 (?:thing-suspended|certificate-revoked|token-revoked)/);
    end.close();
  });

  it('ends an observation whose right a policy takes away', async () => {
    const { owner } = stage.server;
    const document = (topics: string[]) => ({
      name: 'narrowed-coap',
      statements: [
        { id: 'connect', effect: 'allow', actions: ['connect'], resources: ['client:${thing.name}'] },
        { id: 'topics', effect: 'allow', actions: ['publish', 'subscribe', 'receive'], resources: topics },
      ],
    });
    await owner.post('/v1/policies', document(['topic:shared/#', 'topic:${thing.name}/#']));
    const { name, ...device } = await stage.addDevice();
    await owner.send('PUT', `/v1/things/${name}/policies`, { policies: ['narrowed-coap'] });
    const { body: fresh } = await useKey(stage.server, { name, ...device });
    const end = await openEnd(edge.portOf(0));
    await end.send(requestOf({ path: 'shared/a', token: fresh.access_token as string, more: [observe(0)] }));
    await eventually(
      () => end.got.length,
      (count) => count === 1,
    );
    expect(wordsOf(end.got[0]!)).toBe('ack 2.05');
    const { body } = await owner.post('/v1/policies/narrowed-coap/versions', document(['topic:${thing.name}/#']));
    await owner.post('/v1/policies/narrowed-coap/activate', { version: body.version });
    await eventually(
      () => end.got.length,
      (count) => count === 2,
    );
    expect(wordsOf(end.got[1]!)).toMatch(/^non 4\.03 subscribe: no-matching-statement/);
    end.close();
  });

  it('ends with the token, unless a newer one was shown', async () => {
    const device = await stage.addDevice();
    const [brief, lasting] = [await openEnd(edge.portOf(0)), await openEnd(edge.portOf(0))];
    const { name, token } = device;
    const other = await stage.addDevice();
    await brief.send(requestOf({ path: `${name}/a`, token, more: [observe(0)] }));
    await lasting.send(requestOf({ path: `${other.name}/a`, token: other.token, more: [observe(0)] }));
    for (const { got } of [brief, lasting])
      await eventually(
        () => got.length,
        (count) => count === 1,
      );
    stage.server.advance(600);
    const { body: newer } = await useKey(stage.server, other);
    await lasting.send(
      requestOf({ method: 'post', path: `${other.name}/b`, token: newer.access_token as string, payload: 'x', id: 2 }),
    );
    await eventually(
      () => lasting.got.length,
      (count) => count === 2,
    );
    expect(wordsOf(lasting.got[1]!)).toBe('ack 2.04');
    stage.server.advance(310);
    await eventually(
      () => brief.got.length,
      (count) => count === 2,
    );
    expect(wordsOf(brief.got[1]!)).toMatch(/^non 4\.01 token-expired/);
    await tell(`${other.name}/a`, 'still here');
    await eventually(
      () => lasting.got.map(wordsOf),
      (words) => words.includes('con 2.05 still here'),
    );
    for (const each of [brief, lasting]) each.close();
  });

  it('performs a request once, however often it comes', async () => {
    const { name, token } = await stage.addDevice();
    const heard = await hear(`${name}/#`);
    const end = await openEnd(edge.portOf(0));
    const post = requestOf({ method: 'post', path: `${name}/a`, token, payload: 'once', id: 99 });
    for (let at = 0; at < 5; at++) await end.send(post);
    await eventually(
      () => end.got.length,
      (count) => count >= 1,
    );
    await end.send(post);
    await eventually(
      () => end.got.length,
      (count) => count >= 2,
    );
    await tell(`${name}/a`, 'the last');
    await eventually(heard.said, (text) => text.includes('the last'));
    expect(heard.said().match(/a once$/gm)).toHaveLength(1);
    expect(new Set(end.got.map(wordsOf))).toEqual(new Set(['ack 2.04']));
    heard.child.kill();
    end.close();
  });

  it('answers what cannot be read, and what nobody may ask of it, with no more than was sent thrice', async () => {
    const end = await openEnd(edge.portOf(0));
    const { token } = await stage.addDevice();
    const tell = async (bytes: Buffer, count: number): Promise<string[]> => {
      const before = end.got.length;
      await end.send(bytes);
      if (count > 0)
        await eventually(
          () => end.got.length,
          (length) => length === before + count,
        );
      else await new Promise((resolve) => setTimeout(resolve, 100));
      return end.got.slice(before).map(wordsOf);
    };
    expect(await tell(Buffer.of(0x40, 0, 1, 2), 1)).toEqual(['rst 0.00']);
    expect(await tell(Buffer.of(0x49, 1, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0), 1)).toEqual(['rst 0.00']);
    expect(await tell(Buffer.of(0x80, 1, 1, 4), 0)).toEqual([]);
    expect(await tell(Buffer.of(0x50, 0, 1, 5), 0)).toEqual([]);
    expect(await tell(Buffer.of(0x40, 0x45, 1, 6), 1)).toEqual(['rst 0.00']);
    expect(
      await tell(requestOf({ path: 'a', id: 20, more: [{ number: 35, value: Buffer.from('coap://x') }] }), 1),
    ).toEqual([expect.stringMatching(/^ack 5\.05/)]);
    expect(await tell(requestOf({ path: 'a', id: 21, token, more: [{ number: 9, value: Buffer.of(1) }] }), 1)).toEqual([
      expect.stringMatching(/^ack 4\.02/),
    ]);
    const before = end.octets();
    const small = Buffer.of(0x40, 1, 2, 2);
    expect(await tell(small, 1)).toEqual(['ack 4.01']);
    expect(end.octets() - before).toBeLessThanOrEqual(3 * small.length);
    end.close();
  });

  it('says to many wrong tokens no, and then nothing, while others are served', async () => {
    const [flood, good] = [await openEnd(edge.portOf(0)), await openEnd(edge.portOf(0))];
    const { name, token } = await stage.addDevice();
    await good.send(requestOf({ method: 'post', path: `${name}/a`, token, payload: 'x' }));
    await eventually(
      () => good.got.length,
      (count) => count === 1,
    );
    for (let round = 0; round < 20; round++) {
      for (let id = 0; id < 100; id++)
        await flood.send(requestOf({ path: 'a', id: 100 * round + id, token: `${token.slice(0, -8)}AAAA${id}` }));
      await good.send(requestOf({ method: 'post', path: `${name}/a`, token, payload: 'x', id: round + 2 }));
      await eventually(
        () => good.got.length,
        (count) => count === round + 2,
      );
    }
    expect(flood.got.length).toBeLessThan(500);
    expect(new Set(good.got.map(wordsOf))).toEqual(new Set(['ack 2.04']));
    await eventually(
      async () => (await fetch(`${edge.monitorUrl}/metrics`)).text(),
      (text) => /thingward_edge_sessions [1-9]/.test(text),
    );
    for (const each of [flood, good]) each.close();
  });
});
