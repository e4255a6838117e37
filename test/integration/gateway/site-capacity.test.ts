import type { MqttClient } from 'mqtt';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { startEdgeProgram, type EdgeProgram } from '../../support/edge/edge-program.js';
import { createPipelineStage, type PipelineStage } from '../../support/gateway/pipeline-stage.js';
import { writeEdgeFile } from '../../support/gateway/edge-file.js';
import { describeWith } from '../../support/programs.js';

type Reported = {
  id: string;
  name: string;
  stale: boolean;
  signal: string;
  capacity: { cores: number };
  load: {
    cpu: number;
    messages: number;
    pipelines: { name: string; version: number; messages: number; cpu: number; things: number }[];
  };
  utilization?: { mean: number };
};

const values = Object.fromEntries(Array.from({ length: 16 }, (_, n) => [`v${n}`, `$.v${n}`]));
const documentOf = (name: string, window: number, times = 1) => ({
  name,
  match: { types: ['sensor'], topics: ['${account}/+/telemetry'] },
  values,
  steps: [
    ...Array.from({ length: times }, () => ({ outliers: 'hampel', window })),
    { window: { last: 50 }, emit: ['mean'] },
  ],
  maxThings: 10,
});
const sizes = {
  small: { cores: 0.01, memory: 2 ** 30 },
  medium: { cores: 0.2, memory: 400 * 2 ** 20 },
  large: { cores: 2, memory: 4 * 2 ** 30 },
};
const slowly = { timeout: 100_000, interval: 500 };

describeWith(['mosquitto'], 'three edges of different sizes under load', () => {
  let stage: PipelineStage;
  const edges: Record<string, EdgeProgram> = {};
  const timers: NodeJS.Timeout[] = [];

  beforeAll(async () => {
    stage = await createPipelineStage();
    for (const [name, site] of Object.entries(sizes)) {
      const { file, port } = await writeEdgeFile(stage, name, { broker: stage.url, gateway: { pipelines: {} }, site });
      edges[name] = await startEdgeProgram(file, { listeners: 1 });
      const thing = await stage.addThing();
      load(thing, await stage.open(thing, port));
    }
  }, 60_000);
  afterAll(async () => {
    timers.forEach((timer) => clearInterval(timer));
    for (const edge of Object.values(edges)) await edge.kill('SIGKILL');
    await stage.stop();
  });

  /** A hundred messages a second. */
  const load = (thing: string, client: MqttClient): void => {
    client.on('error', () => {});
    timers.push(
      setInterval(() => {
        const message = Object.fromEntries(Object.keys(values).map((name, n) => [name, (Date.now() * (n + 7)) % 101]));
        for (let n = 0; n < 5 && client.connected; n++)
          client.publish(`default/${thing}/telemetry`, JSON.stringify(message), { qos: 1 }, () => {});
      }, 50),
    );
  };
  const sites = async (): Promise<Record<string, Reported>> => {
    const { items } = (await stage.server.owner.get('/v1/sites')).body as { items: Reported[] };
    return Object.fromEntries(items.map((site) => [site.name, site]));
  };
  const activate = (name: string, version: number | null, more: object = {}) =>
    stage.server.owner.post(`/v1/pipelines/${name}/activate`, { version, ...more });

  it('give signals by their size, and a version is activated once there is room at each that reports', async () => {
    await vi.waitFor(async () => {
      const { small, medium, large } = await sites();
      expect([small?.signal, medium?.signal, large?.signal]).toEqual(['scale-up', 'steady', 'scale-down']);
    }, slowly);
    expect((await sites())['small']!.capacity.cores).toBe(0.01);
    // The small one is full: nothing that it would take fits.
    const refused = await stage.server.owner.post('/v1/pipelines', documentOf('means', 11));
    expect(refused.status, refused.text).toBe(409);
    expect((refused.body.sites as Reported[]).map(({ name }) => name)).toEqual(['small']);
    await edges['small']!.kill('SIGKILL');
    await vi.waitFor(async () => expect((await sites())['small']!.stale).toBe(true), slowly);
    const made = await stage.server.owner.post('/v1/pipelines', documentOf('means', 11));
    expect(made.status, made.text).toBe(201);
    const running = async () => {
      const { medium, large } = await sites();
      return [medium!, large!].map(({ load: { pipelines } }) => pipelines[0]);
    };
    await vi.waitFor(async () => {
      for (const pipeline of await running()) {
        expect(pipeline).toMatchObject({ name: 'means', version: 1, things: 1 });
        expect(pipeline!.messages).toBeGreaterThan(50);
        expect(pipeline!.cpu).toBeGreaterThan(0);
      }
    }, slowly);

    // What it really takes is what the next plan begins with.
    await stage.addVersion('means', documentOf('means', 301, 5));
    const plan = (await activate('means', 2, { dryRun: true })).body;
    expect(plan).toMatchObject({ fits: false, unknown: ['small'], counts: { sites: 2, refusing: 1, unknown: 1 } });
    expect(plan.sites).toMatchObject([
      { name: 'medium', over: ['cpu'] },
      { name: 'large', fits: true },
    ]);
    expect((await activate('means', 2)).body).toMatchObject({ count: 1, sites: [{ name: 'medium' }] });
    for (const pipeline of await running()) expect(pipeline!.version).toBe(1);

    // Without the medium one it runs at the large one, which takes about what was planned.
    await edges['medium']!.kill('SIGKILL');
    await vi.waitFor(async () => expect((await sites())['medium']!.stale).toBe(true), slowly);
    const planned = (await activate('means', 2, { dryRun: true })).body.sites[0].cpu as { planned: number };
    expect((await activate('means', 2)).status).toBe(200);
    await vi.waitFor(async () => {
      const [heavy] = (await sites())['large']!.load.pipelines;
      expect(heavy).toMatchObject({ version: 2 });
      expect(heavy!.messages).toBeGreaterThan(50);
    }, slowly);
    const { load: taken } = (await sites())['large']!;
    // Their decisions are remembered: messages count all the same.
    expect(taken.messages).toBeGreaterThan(50);
    expect(taken.cpu).toBeGreaterThan(planned.planned / 4);
    expect(taken.cpu).toBeLessThan(planned.planned * 4);
    // Back to the lighter one.
    expect((await activate('means', 1)).status).toBe(200);
  }, 300_000);
});
