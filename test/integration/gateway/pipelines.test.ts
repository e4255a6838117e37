import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import mqtt from 'mqtt';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import { createPipelineStage, type PipelineStage } from '../../support/gateway/pipeline-stage.js';
import { describeWith } from '../../support/programs.js';

const telemetry = { match: { topics: ['${account}/+/telemetry/#'] }, values: { t: '$.t' } };
const paper = readFileSync('docs/gateway.md', 'utf8');
const within = { timeout: 10_000, interval: 50 };

describeWith(['mosquitto'], 'pipelines at edges, through Mosquitto', () => {
  let stage: PipelineStage;
  let edge: Awaited<ReturnType<PipelineStage['startEdge']>>;

  beforeAll(async () => {
    stage = await createPipelineStage();
    const [, settings] = /<!-- test: pipelines settings -->\n\n```yaml\n([^]*?)```/.exec(paper)!;
    edge = await stage.startEdge(parse(settings!) as object);
  });
  afterAll(() => stage.stop());

  const open = (name: string, options = {}) => stage.open(name, edge.portOf(0), options);
  const raw = (name: string) =>
    stage.heard.filter(({ topic }) =>
      new RegExp(`^default/${name}/telemetry(?!/(pipelines|dead-letters)/)`).test(topic),
    );
  const figure = (name: string) => figureOf(edge.monitorUrl, name);
  const figureOf = async (url: string, name: string): Promise<number> => {
    const text = await (await fetch(`${url}/metrics`)).text();
    const lines = text.split('\n').filter((line) => line.startsWith(name));
    return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  };

  it('the built-in sensor, activated while a device is connected, makes batches of what it says; null ends that', async () => {
    const name = await stage.addThing();
    // What is built in of policies is enough.
    const attached = await stage.server.owner.send('PUT', `/v1/things/${name}/policies`, { policies: ['sensor'] });
    expect(attached.status, attached.text).toBe(200);
    const client = await open(name, { protocolVersion: 5 });
    const topic = `default/${name}/telemetry/room`;
    await client.publishAsync(topic, JSON.stringify({ t: 20, h: 40 }), { qos: 1 });
    await vi.waitFor(() => expect(raw(name)).toHaveLength(1), within);
    await stage.activate('sensor', 1);
    // The change is acknowledged before every edge has written it down.
    await vi.waitFor(async () => expect(await figure('thingward_edge_pipelines')).toBe(1), within);
    const now = Date.now();
    for (let n = 0; n < 200; n++) {
      const message = { ts: now + n, t: 20 + (n % 7), h: 40 };
      await client.publishAsync(topic, JSON.stringify(message), { qos: (n % 3) as 0 });
    }
    await client.publishAsync(topic, JSON.stringify({ ts: now + 200, t: 400, h: 40 }), { qos: 1 });
    await client.publishAsync(topic, JSON.stringify({ ts: now + 201, t: 400, h: 40 }), { qos: 1 });
    // Two windows of a hundred wait in the batch, and leave with what cannot wait.
    const records = () => stage.published(name, 'sensor').flatMap((each) => each.records!);
    const counts = () => records().flatMap(({ values }) => values['temp.count'] ?? []);
    for (let n = 202; n < 330 && counts().length < 2; n++)
      await client.publishAsync(topic, JSON.stringify({ ts: now + n, t: 400, h: 40 }), { qos: 1 });
    await vi.waitFor(() => expect(counts().slice(0, 2)).toEqual([100, 100]), within);
    await vi.waitFor(
      async () => {
        const { items } = (await stage.server.owner.get('/v1/sites')).body as {
          items: { load: { pipelines: object[] } }[];
        };
        expect(items.flatMap(({ load }) => load.pipelines)).toContainEqual(
          expect.objectContaining({ name: 'sensor', version: 1 }),
        );
      },
      { timeout: 15_000, interval: 500 },
    );
    expect(stage.published(name, 'sensor')[0]).toMatchObject({ pipeline: 'sensor', version: 1 });
    expect(raw(name)).toHaveLength(1);
    // Another version, without a restart of anything.
    await stage.addVersion('sensor', {
      ...telemetry,
      values: { temp: '$.t' },
      steps: [{ window: { last: 2 }, emit: ['max'] }],
    });
    await stage.activate('sensor', 2);
    await vi.waitFor(async () => {
      for (const t of [7, 9]) await client.publishAsync(topic, JSON.stringify({ t }), { qos: 2 });
      expect(stage.published(name, 'sensor').at(-1)).toMatchObject({
        version: 2,
        records: [{ values: { 'temp.max': 9 } }],
      });
    }, within);
    await stage.activate('sensor', null);
    await vi.waitFor(async () => {
      await client.publishAsync(topic, JSON.stringify({ t: 1 }), { qos: 2 });
      expect(raw(name).length).toBeGreaterThan(1);
    }, within);
    expect(await figure('thingward_edge_pipelines')).toBe(0);
  });

  it('a message is forwarded as well where the pipeline says so, and then the broker acknowledges it', async () => {
    const name = await stage.addThing();
    await stage.create({
      name: 'both',
      ...telemetry,
      match: { topics: [`default/${name}/telemetry/#`] },
      forward: true,
    });
    await vi.waitFor(async () => expect(await figure('thingward_edge_pipelines')).toBe(1), within);
    const client = await open(name);
    for (let t = 0; t < 20; t++)
      await client.publishAsync(`default/${name}/telemetry/x`, `{"t":${t}}`, { qos: (t % 3) as 0 });
    await vi.waitFor(() => expect(stage.published(name, 'both')).toHaveLength(20), within);
    await vi.waitFor(
      () =>
        expect(raw(name).map(({ payload }) => JSON.parse(payload.toString()).t)).toEqual(
          Array.from({ length: 20 }, (_, t) => t),
        ),
      within,
    );
    await stage.activate('both', null);
  });

  it('what does not decode goes to dead letters, and what policies deny goes nowhere', async () => {
    const name = await stage.addThing();
    const match = { topics: [`default/${name}/telemetry/#`] };
    await stage.create({ name: 'private', ...telemetry, match });
    await vi.waitFor(async () => expect(await figure('thingward_edge_pipelines')).toBe(1), within);
    const client = await open(name, { protocolVersion: 5 });
    await client.publishAsync(`default/${name}/telemetry`, '{"t":1}', { qos: 1 });
    await client.publishAsync(`default/${name}/telemetry`, 'no json', { qos: 1 });
    const letters = () => stage.heard.filter(({ topic }) => topic === `default/${name}/telemetry/dead-letters/private`);
    await vi.waitFor(() => expect(letters()).toHaveLength(1), within);
    expect(JSON.parse(letters()[0]!.payload.toString())).toMatchObject({
      pipeline: 'private',
      why: 'not-decodable',
      payloadBase64: Buffer.from('no json').toString('base64'),
    });
    expect(stage.published(name, 'private')).toEqual([]);
    expect(raw(name)).toEqual([]);
    expect(await figure('thingward_edge_pipeline_denied_total{pipeline="private"}')).toBe(1);
    expect(stage.lines.some((line) => line.includes(`pipelines/private`) && line.includes('"why":"private"'))).toBe(
      true,
    );
    await stage.activate('private', null);
  });

  it('an edge that starts again without the server still runs what it knows', async () => {
    const name = await stage.addThing();
    await stage.create({ name: 'dark', ...telemetry, match: { topics: [`default/${name}/telemetry/#`] } });
    const stateDir = stage.at('state-dark');
    const first = await stage.startEdge({ stateDir });
    const client = await stage.open(name, first.portOf(0));
    await client.publishAsync(`default/${name}/telemetry`, '{"t":1}', { qos: 1 });
    await vi.waitFor(() => expect(stage.published(name, 'dark')).toHaveLength(1), within);
    await first.close();
    const dark = await stage.startEdge({ stateDir, server: 'http://127.0.0.1:9' });
    const again = await stage.open(name, dark.portOf(0));
    await again.publishAsync(`default/${name}/telemetry`, '{"t":2}', { qos: 1 });
    await vi.waitFor(() => expect(stage.published(name, 'dark')).toHaveLength(2), within);
    expect(new Set(stage.published(name, 'dark').map(({ id }) => id)).size).toBe(2);
    expect(raw(name)).toEqual([]);
    await dark.close();
    await stage.activate('dark', null);
  });

  it('a full journal says so in MQTT 5 and ends the session in MQTT 3, serves others, and loses nothing that it took', async () => {
    const [name, other] = [await stage.addThing(), await stage.addThing()];
    const match = { topics: [`default/${name}/telemetry/#`] };
    await stage.create({ name: 'full', ...telemetry, match, steps: [{ batch: { size: 1, seconds: 1 } }] });
    const full = await stage.startEdge({ gateway: { pipelines: { maxBytes: 1_048_576 } } });
    await vi.waitFor(async () => expect(await figureOf(full.monitorUrl, 'thingward_edge_pipelines')).toBe(1), within);
    // Where the state cannot be written, the journal cannot get shorter.
    const blocking = join(stage.at(`state-${full.name}`), 'pipelines', 'state.next');
    mkdirSync(blocking);
    const five = await stage.open(name, full.portOf(0), { protocolVersion: 5 });
    const topic = `default/${name}/telemetry`;
    const payload = (t: number) => JSON.stringify({ t, note: 'x'.repeat(100_000) });
    let kept = 0;
    const fill = async (): Promise<void> => {
      for (; kept < 50; kept++) await five.publishAsync(topic, payload(kept), { qos: 1 });
    };
    await expect(fill()).rejects.toMatchObject({ code: 0x97 });
    await expect(five.publishAsync(topic, payload(0), { qos: 2 })).rejects.toMatchObject({ code: 0x97 });
    expect(five.connected).toBe(true);
    const three = await stage.open(name, full.portOf(0), { clientId: name, protocolVersion: 4 });
    const ended = new Promise<void>((resolve) => three.once('close', () => resolve()));
    three.publish(topic, payload(0), { qos: 1 });
    await ended;
    const third = await stage.open(other, full.portOf(0));
    await third.publishAsync(`default/${other}/telemetry`, '{"t":1}', { qos: 1 });
    rmSync(blocking, { recursive: true });
    await vi.waitFor(
      async () => {
        const back = await stage.open(name, full.portOf(0), { protocolVersion: 5 });
        await back.publishAsync(topic, '{"t":50}', { qos: 1 });
      },
      { timeout: 20_000, interval: 500 },
    );
    const values = () =>
      new Set(stage.published(name, 'full').flatMap(({ records }) => records!.map((each) => each.values['t'])));
    await vi.waitFor(() => expect([...values()]).toEqual([...Array.from({ length: kept }, (_, t) => t), 50]), within);
    await stage.activate('full', null);
  }, 60_000);

  it('nothing changes where the settings have no pipelines', async () => {
    const name = await stage.addThing();
    await stage.create({ name: 'unused', ...telemetry, match: { topics: [`default/${name}/telemetry/#`] } });
    const plain = await stage.startEdge({ gateway: undefined });
    const client = await stage.open(name, plain.portOf(0));
    await client.publishAsync(`default/${name}/telemetry/x`, '{"t":1}', { qos: 1 });
    await vi.waitFor(() => expect(raw(name)).toHaveLength(1), within);
    await stage.activate('unused', null);
  });

  it('hostile topics and payloads, and identifiers that are used again, end nothing but their own session', async () => {
    const name = await stage.addThing();
    await stage.create({ name: 'hostile', ...telemetry, match: { topics: ['#'] }, values: { t: '$.__proto__.t' } });
    await vi.waitFor(async () => expect(await figure('thingward_edge_pipelines')).toBe(1), within);
    const client = await open(name, { protocolVersion: 5 });
    const topics = ['__proto__', 'constructor/é', '..', ' ', 'a"b\\c', '\u{1F600}', 'x'.repeat(5000)];
    for (const [index, end] of topics.entries())
      await client.publishAsync(`default/${name}/${end}`, Buffer.alloc(index * 1000, 0xff), { qos: (index % 3) as 0 });
    await client.publishAsync(`default/${name}/y`, '{"__proto__":{"t":1},"constructor":1}', { qos: 2 });
    await vi.waitFor(
      () =>
        expect(
          stage.heard.filter(({ topic }) => topic === `default/${name}/telemetry/dead-letters/hostile`).length,
        ).toBeGreaterThanOrEqual(topics.length),
      within,
    );
    // A client that is not let in stays out.
    await expect(
      mqtt.connectAsync(
        `mqtts://localhost:${edge.portOf(0)}`,
        { reconnectPeriod: 0, rejectUnauthorized: false },
        false,
      ),
    ).rejects.toThrow();
    expect(client.connected).toBe(true);
    await stage.activate('hostile', null);
  });
});
