import { readFileSync, writeFileSync } from 'node:fs';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { expect } from 'vitest';
import { createEdgeStage } from '../edge/stage.js';
import { enroll, pemOf, provision } from '../fleet.js';

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
    { id: 'connect', effect: 'allow', actions: ['connect'], resources: ['client:${thing.name}'] },
    {
      id: 'own',
      effect: 'allow',
      actions: ['publish', 'subscribe', 'receive'],
      resources: ['topic:${account}/${thing.name}/#'],
    },
    { id: 'private', effect: 'deny', actions: ['publish'], resources: ['topic:+/+/telemetry/pipelines/private'] },
  ],
};

/** A server, Mosquitto, edges that run pipelines, and devices that publish measurements. */
export async function createPipelineStage() {
  const stage = await createEdgeStage();
  const { owner } = stage.server;
  const url = await stage.startBroker();
  const clients: MqttClient[] = [];
  expect((await owner.post('/v1/policies', policy)).status).toBe(201);
  const { token } = await enroll(stage.server, { policy: policy.name, thingType: 'sensor' });
  let names = 0;
  const heard: Heard[] = [];
  const listener = await mqtt.connectAsync(url);
  clients.push(listener);
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
        ...more,
      }),

    /** A sensor with the rights of the stage. Resolves with its name. */
    async addThing(name = `sensor-${names++}`): Promise<string> {
      const device = await provision(stage.server, token, name);
      expect(device.answer.status, device.answer.text).toBe(201);
      writeFileSync(stage.at(`${name}.crt`), pemOf(device));
      writeFileSync(stage.at(`${name}.key`), device.key.export({ type: 'pkcs8', format: 'pem' }));
      return name;
    },

    /** Connects a device to an edge. */
    async open(name: string, port: number, options: IClientOptions = {}): Promise<MqttClient> {
      const settings = {
        clientId: name,
        reconnectPeriod: 0,
        ca: readFileSync(stage.at('tls.crt')),
        cert: readFileSync(stage.at(`${name}.crt`)),
        key: readFileSync(stage.at(`${name}.key`)),
        ...options,
      };
      const client = await mqtt.connectAsync(`mqtts://localhost:${port}`, settings, false);
      clients.push(client);
      return client;
    },

    async stop(): Promise<void> {
      clients.forEach((client) => client.end(true));
      await stage.stop();
    },
  };
}
