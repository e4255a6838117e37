import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { MqttClient } from 'mqtt';
import { createPipeline } from '../../../src/pipeline/pipeline.js';
import { lintPipeline } from '../../../src/pipeline/lint.js';
import { presentRecord, type PublishedRecord } from '../../../src/pipeline/present.js';
import { startEdgeProgram, type EdgeProgram } from '../../support/edge/edge-program.js';
import { createPipelineStage, type PipelineStage, type Published } from '../../support/gateway/pipeline-stage.js';
import { writeEdgeFile } from '../../support/gateway/edge-file.js';
import { describeWith } from '../../support/programs.js';
import { seeded } from '../../support/seeded.js';

// `PIPELINE_KILLS=100` kills an edge that often.
const kills = Number(process.env['PIPELINE_KILLS'] ?? 3);
const devices = 3;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const common = { match: { topics: ['${account}/+/telemetry'] }, values: { n: '$.n' }, to: ['upstream'] };
const order = { ...common, name: 'order', steps: [{ batch: { size: 5, seconds: 1 } }] };
const windows = {
  ...common,
  name: 'windows',
  steps: [
    { outliers: 'hampel', window: 5 },
    { smooth: 'ewma', alpha: 0.3 },
    { window: { last: 7 }, emit: ['mean', 'min', 'max', 'stddev', 'p95', 'count'] },
    { anomaly: 'z', points: 4, as: 'score' },
  ],
};
const times = {
  ...common,
  name: 'times',
  time: '$.ts',
  steps: [{ window: { tumbling: 60, lateness: 600 }, emit: ['count', 'sum'] }],
};

describeWith(['mosquitto'], 'an edge that is killed while it runs pipelines', () => {
  let stage: PipelineStage;
  let edge: EdgeProgram | undefined;

  beforeAll(async () => {
    stage = await createPipelineStage();
    for (const document of [order, windows, times]) await stage.create(document);
  });
  afterAll(async () => {
    await edge?.kill('SIGKILL');
    await stage.stop();
  });

  /** What the engine publishes of these numbers, in their order, without any edge. */
  const reference = (document: object, numbers: number[]): PublishedRecord[] => {
    const records: PublishedRecord[] = [];
    const pipeline = createPipeline('default', lintPipeline(document).document!, (made) => {
      records.push(...made.records.map((record) => presentRecord(pipeline.fields, record)));
    });
    for (const n of numbers)
      pipeline.take({ thing: { name: 'x' }, topic: 'x', at: 4e12, payload: Buffer.from(messageOf(n)) });
    return records;
  };
  const messageOf = (n: number) => JSON.stringify({ n, ts: 1_700_000_000 + 10 * n });
  const once = (published: Published[]): Published[] => [...new Map(published.map((each) => [each.id, each])).values()];
  const valuesOf = (name: string, pipeline: string) =>
    once(stage.published(name, pipeline)).flatMap(({ records }) => records!.map(({ values }) => values));

  it(
    'every message that was acknowledged is in its windows, once',
    async () => {
      const random = seeded('pipeline-kills');
      const gateway = { pipelines: { fsync: false } };
      const { file, port } = await writeEdgeFile(stage, 'killed', { broker: stage.url, gateway });
      edge = await startEdgeProgram(file, { listeners: 1 });
      const names = await Promise.all(Array.from({ length: devices }, () => stage.addThing()));
      const acknowledged = new Map(names.map((name): [string, number[]] => [name, []]));
      let isOver = false;

      /** A device that numbers what it says, and never says a number again. */
      const live = async (name: string): Promise<void> => {
        let n = 0;
        while (!isOver) {
          const client = await stage
            .open(name, port, { connectTimeout: 2000, clean: true })
            .catch((): MqttClient | undefined => undefined);
          if (!client) {
            await pause(50);
            continue;
          }
          client.on('error', () => {});
          const closed = new Promise<'closed'>((resolve) => client.once('close', () => resolve('closed')));
          const say = async (): Promise<void> => {
            const number = n++;
            const sent = client.publishAsync(`default/${name}/telemetry`, messageOf(number), { qos: 1 });
            sent.catch(() => {});
            if ((await Promise.race([sent.catch(() => 'closed'), closed])) !== 'closed')
              acknowledged.get(name)!.push(number);
          };
          while (!isOver && client.connected) await Promise.all(Array.from({ length: random.between(1, 8) }, say));
          client.end(true);
        }
      };
      const living = names.map(live);
      for (let kill = 0; kill < kills; kill++) {
        await pause(random.between(300, 1500));
        await edge.kill('SIGKILL');
        edge = await startEdgeProgram(file, { listeners: 1 });
      }
      await pause(500);
      isOver = true;
      await Promise.all(living);

      const seen = { acknowledged: 0, counted: 0, windows: 0, duplicates: 0 };
      for (const name of names) {
        const numbers = acknowledged.get(name)!;
        const isThere = () => {
          const all = new Set(valuesOf(name, 'order').map(({ n }) => n));
          return numbers.filter((number) => !all.has(number));
        };
        await vi.waitFor(() => expect(isThere()).toEqual([]), { timeout: 20_000, interval: 200 });
        const inOrder = valuesOf(name, 'order').map(({ n }) => n!);
        // Each once, and in the order in which they were said.
        expect(inOrder).toEqual([...new Set(inOrder)].sort((a, b) => a - b));
        for (const document of [windows, times]) {
          const should = reference(document, inOrder).map(({ values }) => values);
          await vi.waitFor(() => expect(valuesOf(name, document.name)).toEqual(should), {
            timeout: 10_000,
            interval: 200,
          });
          seen.windows += should.length;
        }
        seen.acknowledged += numbers.length;
        seen.counted += inOrder.length;
        for (const { name: pipeline } of [order, windows, times]) {
          const published = stage.published(name, pipeline);
          seen.duplicates += published.length - once(published).length;
        }
      }
      console.log(`${kills} kills: ${JSON.stringify(seen)}`);
      expect(seen.acknowledged).toBeGreaterThan(50 * devices);
    },
    120_000 + kills * 10_000,
  );
});
