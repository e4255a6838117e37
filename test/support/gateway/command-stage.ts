import type { MqttClient } from 'mqtt';
import { expect } from 'vitest';
import { createEdgeStage, eventually } from '../edge/stage.js';
import { createDevices } from './device.js';

/** A command as a device gets it. */
export type Got = { topic: string; message: { id: string; name: string; payload: unknown; expiresAt: string } };

/** A command as the control plane shows it. */
export type Shown = { id: string; status: string; reason?: string; result?: unknown };

export type CommandStage = Awaited<ReturnType<typeof createCommandStage>>;

/** What devices of the stage get: the commands that are named, and no others. */
const policy = {
  name: 'commanded',
  statements: [
    { id: 'connect', effect: 'allow', actions: ['connect'], resources: ['client:${thing.name}'] },
    {
      id: 'own',
      effect: 'allow',
      actions: ['publish', 'subscribe'],
      resources: ['topic:${account}/${thing.name}/#'],
    },
    // A deny that a filter overlaps denies the subscription: what is denied here is no allow's.
    {
      id: 'known',
      effect: 'allow',
      actions: ['receive'],
      resources: ['reboot', 'ping', 'one', 'two'].map((name) => `topic:\${account}/\${thing.name}/commands/${name}`),
    },
  ],
};

/** A server, Mosquitto, edges that carry commands, and devices that may have them. */
export async function createCommandStage() {
  const stage = await createEdgeStage();
  const { owner } = stage.server;
  const url = await stage.startBroker();
  const devices = createDevices(stage.at);
  expect((await owner.post('/v1/policies', policy)).status).toBe(201);

  const read = async (name: string, id: string) => (await owner.get(`/v1/things/${name}/commands/${id}`)).body as Shown;

  return {
    ...stage,
    url,
    read,

    /** Starts an edge that carries commands, for devices with certificates. */
    startEdge: (more: object = {}) =>
      stage.startEdge([{ protocol: 'mqtts', clientCertificates: 'required' }], {
        upstream: { mqtt: { url } },
        gateway: { commands: {} },
        ...more,
      }),

    /** A device that may have commands. Resolves with its name. */
    async addThing(): Promise<string> {
      const { name } = await stage.addDevice();
      const put = await owner.send('PUT', `/v1/things/${name}/policies`, { policies: [policy.name] });
      expect(put.status, put.text).toBe(200);
      return name;
    },

    open: devices.open,

    /** Takes every command of a device, and answers as it is told. Resolves with what comes. */
    async obey(
      name: string,
      client: MqttClient,
      answer: (got: Got) => object | undefined,
      got: Got[] = [],
    ): Promise<Got[]> {
      client.on('message', (topic, octets) => {
        const message = JSON.parse(octets.toString()) as Got['message'];
        got.push({ topic, message });
        const said = answer(got.at(-1)!);
        // A connection that breaks meanwhile is part of the trial.
        if (said)
          client.publishAsync(`${topic}/${message.id}/result`, JSON.stringify(said), { qos: 1 }).catch(() => {});
      });
      await client.subscribeAsync(`default/${name}/commands/+`, { qos: 1 });
      return got;
    },

    async send(name: string, command: object): Promise<{ id: string; status: string }> {
      const made = await owner.post(`/v1/things/${name}/commands`, command);
      expect(made.status, made.text).toBe(202);
      return made.body as { id: string; status: string };
    },

    until: (name: string, id: string, status: string): Promise<Shown> =>
      eventually(
        () => read(name, id),
        (command) => command.status === status,
      ),

    async stop(): Promise<void> {
      devices.endAll();
      await stage.stop();
    },
  };
}
