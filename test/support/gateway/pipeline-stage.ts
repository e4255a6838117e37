import mqtt from 'mqtt';
import { expect } from 'vitest';
import { createEdgeStage } from '../edge/stage.js';
import { enroll } from '../fleet.js';
import { createDevices, ownTopics } from './device.js';

/** What came to the broker. */
export type Heard = { topic: string; payload: Buffer };

/** What a pipeline published, as JSON. */
export type Published = {
  id: string;
  pipeline: string;
  version: number;
  occasion?: string;
  why?: string;
  records?: { time: number; from?: number; values: Record<string, number>; severity?: string }[];
};

export type PipelineStage = Awaited<ReturnType<typeof createPipelineStage>>;

/** Devices of the stage may publish below their name in the account, except where it says `private`. */
const policy = {
  name: 'measuring',
  statements: [
    ...ownTopics,
    { id: 'private', effect: 'deny', actions: ['publish'], resources: ['topic:+/+/telemetry/pipelines/private'] },
  ],
};

/** A server, Mosquitto, edges that run pipelines, and devices that publish measurements. */
export async function createPipelineStage() {
  const stage = await createEdgeStage();
  const { owner } = stage.server;
  const url = await stage.startBroker();
  const devices = createDevices(stage.at);
  expect((await owner.post('/v1/policies', policy)).status).toBe(201);
  const { token } = await enroll(stage.server, { policy: policy.name, thingType: 'sensor' });
  let names = 0;
  const heard: Heard[] = [];
  const listener = await mqtt.connectAsync(url);
  listener.on('message', (topic, payload) => void heard.push({ topic, payload }));
  await listener.subscribeAsync('#', { qos: 1 });

  const call = async (path: string, body: object): Promise<void> => {
    const { status, text } = await owner.post(path, body);
    expect([200, 201], text).toContain(status);
  };

  return {
    ...stage,
    url,
    heard,
    /** What pipelines published of a thing, in order. */
    published: (thing: string, pipeline: string): Published[] =>
      heard
        .filter(({ topic }) => topic === `default/${thing}/telemetry/pipelines/${pipeline}`)
        .map(({ payload }) => JSON.parse(payload.toString()) as Published),

    create: (document: object) => call('/v1/pipelines', { steps: [], to: ['upstream'], ...document }),
    addVersion: (name: string, document: object) =>
      call(`/v1/pipelines/${name}/versions`, { steps: [], to: ['upstream'], ...document }),
    activate: (name: string, version: number | null) => call(`/v1/pipelines/${name}/activate`, { version }),

    /** Starts an edge that runs pipelines, for devices with certificates. */
    startEdge: (more: object = {}) =>
      stage.startEdge([{ protocol: 'mqtts', clientCertificates: 'required' }], {
        upstream: { mqtt: { url } },
        gateway: { pipelines: {} },
        // A busy machine is not what these tests are about: what this process takes of it counts.
        site: { cores: 2, memory: 4 * 2 ** 30 },
        ...more,
      }),

    /** A sensor with the rights of the stage. Resolves with its name. */
    async addThing(name = `sensor-${names++}`): Promise<string> {
      await stage.enter(name, token);
      return name;
    },

    open: devices.open,

    async stop(): Promise<void> {
      devices.endAll();
      listener.end(true);
      await stage.stop();
    },
  };
}
