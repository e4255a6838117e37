import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startMosquitto, type Listener } from '../../support/edge/brokers.js';
import { startHiveMq } from '../../support/conformance/hivemq.js';
import { createEdgeStage, type EdgeStage } from '../../support/edge/stage.js';
import { describeUnless, describeWith } from '../../support/programs.js';

const run = promisify(execFile);
const isLong = process.env['MQTT_CLIENTS'] === 'all';
const folder = resolve('test/support/mqtt-clients');
const tools = resolve('.ci-tools');
const versions = [4, 5] as const;

/** A real client: its program, and the arguments before those that all have. */
type Program = { name: string; needs: string[]; file: string; args: string[]; isLong?: boolean };

const programs: Program[] = [
  {
    name: 'mosquitto_pub and mosquitto_sub',
    needs: ['mosquitto_pub', 'mosquitto_sub', 'stdbuf'],
    file: process.execPath,
    args: [join(folder, 'mosquitto.mjs')],
  },
  { name: 'MQTT.js', needs: [], file: process.execPath, args: [join(folder, 'mqttjs.mjs')] },
  {
    name: 'Paho for Python',
    needs: ['python3:paho.mqtt.client'],
    file: 'python3',
    args: [join(folder, 'paho_client.py')],
  },
  { name: 'Paho for Go', needs: ['paho-go'], file: 'paho-go', args: [] },
  {
    name: 'the HiveMQ client for Java',
    needs: ['java', join(tools, 'hivemq-client')],
    file: 'java',
    args: ['-cp', join(tools, 'hivemq-client', '*'), join(folder, 'hivemq-client/HiveMqClient.java')],
    isLong: true,
  },
  {
    name: 'rumqttc for Rust',
    needs: [join(tools, 'bin/rumqttc-client')],
    file: join(tools, 'bin/rumqttc-client'),
    args: [],
    isLong: true,
  },
];

/** What makes client ids and topics of a run its own. It stands in no other text of a result. */
const lettersOf = (broker: string, nth: number, version: number, way: string): string =>
  `z${broker[0]!}${nth}${version}${way}`;

const names = ['-pub', '-sub', '-late', '-will', '-one', '-two'];

/** Runs the list of actions, and returns what came of each. */
async function act({ file, args }: Program, port: number, password: string, version: number, letters: string) {
  const { stdout } = await run(file, [...args, String(port), password, String(version), letters], { timeout: 300_000 });
  return JSON.parse(stdout) as Record<string, unknown>;
}

/** The same actions of all clients, with the broker alone and through an edge in front of it. */
function suite(broker: string, start: () => Promise<Listener>): void {
  let stage: EdgeStage;
  let server: Listener;
  let edgePort: number;
  let token: string;

  beforeAll(async () => {
    stage = await createEdgeStage();
    server = await start();
    const device = await stage.addDevice();
    token = device.token;
    const clientIds = programs.flatMap((_program, nth) =>
      versions.flatMap((version) => names.map((name) => `client:${lettersOf(broker, nth, version, 'e')}${name}`)),
    );
    const statements = [
      { id: 'connect', effect: 'allow', actions: ['connect'], resources: clientIds },
      { id: 'topics', effect: 'allow', actions: ['publish', 'subscribe', 'receive'], resources: ['topic:#'] },
    ];
    const made = await stage.server.owner.post('/v1/policies', { name: 'clients', statements });
    if (made.status >= 300) throw new Error(made.text);
    await stage.server.owner.send('PUT', `/v1/things/${device.name}/policies`, { policies: ['clients'] });
    const url = `mqtt://127.0.0.1:${server.port}`;
    edgePort = (await stage.startEdge([{ protocol: 'mqtt' }], { upstream: { mqtt: { url } } })).portOf(0);
  });
  afterAll(async () => {
    await stage.stop();
    await server.stop();
  });

  programs.forEach((program, nth) => {
    if (program.isLong && !isLong) return;
    describeWith(program.needs, program.name, () => {
      it.each(versions)('does the same with MQTT %i', async (version) => {
        const direct = await act(program, server.port, 'anything', version, lettersOf(broker, nth, version, 'd'));
        expect(direct['receive']).toEqual(['~/a/x q0 m0', '~/a/x q1 m1', '~/a/x q2 m2']);
        const through = await act(program, edgePort, token, version, lettersOf(broker, nth, version, 'e'));
        expect(through).toEqual(direct);
      });
    });
  });
}

describeWith(['mosquitto', 'openssl'], 'real clients through an edge and without it, in front of Mosquitto', () =>
  suite('mosquitto', startMosquitto),
);

if (isLong) {
  const missing = existsSync(join(tools, 'hivemq')) ? [] : ['.ci-tools/hivemq'];
  describeUnless(missing, 'the same in front of HiveMQ', () => suite('hivemq', startHiveMq));
}
