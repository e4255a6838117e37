import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createEdgeStage, eventually, type EdgeStage } from '../../support/edge/stage.js';
import { describeWith } from '../../support/programs.js';

describeWith(['mosquitto', 'openssl'], 'what Mosquitto keeps for devices of an edge', () => {
  let stage: EdgeStage;
  let edge: Awaited<ReturnType<EdgeStage['startEdge']>>;
  const clients: MqttClient[] = [];

  beforeAll(async () => {
    stage = await createEdgeStage();
    const upstream = { mqtt: { url: await stage.startBroker() } };
    edge = await stage.startEdge([{ protocol: 'ws' }], { upstream });
  });
  afterAll(async () => {
    clients.forEach((client) => client.end(true));
    await stage.stop();
  });

  const open = async (url: string, options: IClientOptions): Promise<void> => {
    clients.push(await mqtt.connectAsync(url, { reconnectPeriod: 0, ...options }));
  };

  it.each([4, 5] as const)(
    'is forgotten when the thing is revoked, and not otherwise: MQTT %i',
    async (protocolVersion) => {
      const [gone, held] = [await stage.addDevice(), await stage.addDevice()];
      const stay = { clean: false, ...(protocolVersion === 5 ? { properties: { sessionExpiryInterval: 3600 } } : {}) };
      for (const { name, token } of [held, gone])
        await open(`ws://127.0.0.1:${edge.portOf(0)}/mqtt`, {
          clientId: name,
          password: token,
          username: 'x',
          protocolVersion,
          ...stay,
        });
      const cleanConnects = (name: string): number => {
        const lines = stage.brokerLog().split('\n');
        return lines.filter((line) => line.includes(` as ${name} (`) && line.includes(', c1,')).length;
      };
      await stage.server.owner.post(`/v1/things/${held.name}/suspend`);
      await eventually(
        async () => (await stage.server.owner.get(`/v1/sessions?thing=${held.name}`)).body.items as object[],
        (items) => items.length === 0,
      );
      await stage.server.owner.post(`/v1/things/${gone.name}/revoke`, { reason: 'keyCompromise' });
      // A clean connect makes Mosquitto forget the session with its queue.
      await eventually(stage.brokerLog, () => cleanConnects(gone.name) === 1);
      // Of the suspended one it was asked earlier.
      expect(cleanConnects(held.name)).toBe(0);
    },
  );
});
