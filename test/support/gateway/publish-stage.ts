import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import mqtt, { type IPublishPacket } from 'mqtt';
import { expect } from 'vitest';
import { createEdgeStage } from '../edge/stage.js';
import { enroll } from '../fleet.js';
import { runShell } from '../shell.js';
import { ownTopics } from './device.js';

/** A message as a subscriber behind the broker gets it. */
export type Received = { topic: string; payload: Buffer; id: string; retain: boolean; packet: IPublishPacket };

export type PublishStage = Awaited<ReturnType<typeof createPublishStage>>;

const policy = {
  name: 'publishing',
  statements: [
    ...ownTopics,
    {
      id: 'secret',
      effect: 'deny',
      actions: ['publish'],
      resources: ['topic:${account}/${thing.name}/secret/#'],
    },
  ],
};

/** A server, Mosquitto, an edge, agents as programs, and a subscriber that keeps its session. */
export async function createPublishStage() {
  const stage = await createEdgeStage();
  const { owner } = stage.server;
  const brokerUrl = await stage.startBroker();
  const agents: ChildProcess[] = [];
  expect((await owner.post('/v1/policies', policy)).status).toBe(201);
  const { token } = await enroll(stage.server, { policy: policy.name });
  const program = [resolve('dist/main.js'), 'agent'];

  return {
    ...stage,
    brokerUrl,
    token,

    startEdge: (more: object = {}) =>
      stage.startEdge([{ protocol: 'mqtts', clientCertificates: 'required' }], {
        upstream: { mqtt: { url: brokerUrl } },
        ...more,
      }),

    async provision(name: string): Promise<void> {
      const args = `provision --server ${stage.server.url} --enrollment ${token} --name ${name} --out ${name}`;
      const made = await runShell(`'${process.execPath}' ${program.join(' ')} ${args}`, stage.at(''));
      expect(made.code, made.output).toBe(0);
    },

    /** Starts `run`; its stdin is a pipe. */
    run(name: string, port: number, more: string[] = []) {
      const args = ['run', '--out', name, '--mqtt', `localhost:${port}`, '--mqtt-ca', 'tls.crt', ...more];
      const agent = spawn(process.execPath, [...program, ...args], {
        cwd: stage.at(''),
        stdio: ['pipe', 'pipe', 'pipe'],
      });
      agents.push(agent);
      let output = '';
      for (const stream of [agent.stdout, agent.stderr])
        stream.on('data', (octets: Buffer) => (output += octets.toString()));
      // One that was killed no longer reads.
      agent.stdin.on('error', () => {});
      return {
        agent,
        output: () => output,
        say: (message: object) => agent.stdin.write(`${JSON.stringify(message)}\n`),
        async kill(): Promise<void> {
          agent.kill('SIGKILL');
          if (agent.exitCode === null && agent.signalCode === null) await once(agent, 'exit');
        },
      };
    },

    /** Subscribes at the broker itself, to everything of a thing. */
    async subscribe(
      name: string,
      url = brokerUrl,
    ): Promise<{ received: Received[]; over: Promise<unknown>; stop(): void }> {
      const received: Received[] = [];
      const client = await mqtt.connectAsync(url, {
        protocolVersion: 5,
        clientId: `reader-${name}`,
        reconnectPeriod: 0,
      });
      client.on('message', (topic, payload, packet) => {
        const id = String(packet.properties?.userProperties?.['id'] ?? '');
        received.push({ topic, payload, id, retain: packet.retain, packet });
      });
      await client.subscribeAsync(`default/${name}/#`, { qos: 1 });
      const over = new Promise<void>((resolve) => client.once('close', resolve));
      return { received, over, stop: () => void client.end(true) };
    },

    async stop(): Promise<void> {
      for (const agent of agents) agent.kill('SIGKILL');
      await stage.stop();
    },
  };
}

/** The ids in the order in which each came first. */
export const firsts = (received: readonly Received[]): string[] => [...new Set(received.map(({ id }) => id))];
