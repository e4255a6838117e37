import { readFileSync } from 'node:fs';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';

/** Statements by which a thing connects under its name, and does what it likes below it in its account. */
export const ownTopics = [
  { id: 'connect', effect: 'allow', actions: ['connect'], resources: ['client:${thing.name}'] },
  {
    id: 'own',
    effect: 'allow',
    actions: ['publish', 'subscribe', 'receive'],
    resources: ['topic:${account}/${thing.name}/#'],
  },
];

/** Connects devices with the certificates that a stage has written for them, and ends their connections together. */
export function createDevices(at: (name: string) => string) {
  const clients: MqttClient[] = [];
  return {
    /** Connects a device to an edge. Rejects as well when the edge goes away before it answers. */
    async open(name: string, port: number, options: IClientOptions = {}): Promise<MqttClient> {
      const settings = {
        clientId: name,
        reconnectPeriod: 0,
        ca: readFileSync(at('tls.crt')),
        cert: readFileSync(at(`${name}.crt`)),
        key: readFileSync(at(`${name}.key`)),
        ...options,
      };
      const client = await mqtt.connectAsync(`mqtts://localhost:${port}`, settings, false);
      clients.push(client);
      return client;
    },
    endAll: (): void => clients.forEach((client) => void client.end(true)),
  };
}
