import { spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connectAsync, type MqttClient } from 'mqtt';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Reaper } from '../../../src/reaper/reaper.js';
import { pemOf, type Device } from '../../support/fleet.js';
import { freePort } from '../../support/ports.js';
import { describeWith } from '../../support/programs.js';
import { brokerSocketOf, createReaperStage, eventually, type ReaperStage } from '../../support/reaper/stage.js';

const plugin = '/usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so';
const admin = { username: 'admin', password: 'secret' };
const line = '$CONTROL/dynamic-security/v1';

const closed = (client: MqttClient): Promise<void> =>
  new Promise((resolve) => void client.once('close', () => resolve()));

type Client = { username: string; textname?: string; roles: { rolename: string }[] };

describeWith(
  ['mosquitto', 'mosquitto_ctrl', plugin, 'openssl'],
  'the reaper at Mosquitto with dynamic security',
  () => {
    let stage: ReaperStage;
    let reaper: Reaper;
    let child: ChildProcess;
    let [control, tls] = [0, 0];
    let operator: MqttClient;
    const clients: MqttClient[] = [];

    const startBroker = async (): Promise<void> => {
      child = await stage.start('mosquitto', ['-c', stage.at('mosquitto.conf')], control);
    };
    const ask = async (...commands: object[]): Promise<{ data?: any; error?: string }[]> => {
      const heard = new Promise<string>((resolve) =>
        operator.once('message', (_topic, payload) => resolve(payload.toString())),
      );
      await operator.publishAsync(line, JSON.stringify({ commands }), { qos: 1 });
      return (JSON.parse(await heard) as { responses: { data?: any; error?: string }[] }).responses;
    };
    const clientOf = async (username: string): Promise<Client | undefined> =>
      (await ask({ command: 'getClient', username }))[0]!.data?.client as Client | undefined;

    const operate = async (): Promise<void> => {
      operator = await connectAsync(`mqtt://127.0.0.1:${control}`, {
        ...admin,
        clientId: 'operator',
        reconnectPeriod: 0,
      });
      operator.on('error', () => {});
      await operator.subscribeAsync(`${line}/response`, { qos: 1 });
    };

    beforeAll(async () => {
      stage = await createReaperStage();
      [control, tls] = [await freePort(), await freePort()];
      const made = spawnSync('mosquitto_ctrl', ['dynsec', 'init', stage.at('ds.json'), admin.username, admin.password]);
      if (made.status !== 0) throw new Error(made.stderr.toString());
      stage.file(
        'mosquitto.conf',
        [
          // As root it becomes another user, who may not read these files.
          'user root',
          'per_listener_settings false',
          'allow_anonymous false',
          `plugin ${plugin}`,
          `plugin_opt_config_file ${stage.at('ds.json')}`,
          `listener ${control} 127.0.0.1`,
          `listener ${tls} 127.0.0.1`,
          `cafile ${stage.at('chain.pem')}`,
          `certfile ${stage.at('server.pem')}`,
          `keyfile ${stage.at('server.key')}`,
          'require_certificate true',
          'use_identity_as_username true',
          '',
        ].join('\n'),
      );
      await startBroker();
      await operate();
      const broker = {
        name: 'mosquitto',
        kind: 'mosquitto',
        url: `mqtt://127.0.0.1:${control}`,
        username: admin.username,
        passwordEnv: 'PW',
        validity: '0s',
        lookEvery: '1s',
      };
      const file = stage.settingsOf('berlin', [broker]);
      reaper = await stage.startReaper(file, { PW: admin.password });
      await eventually(
        () => stage.brokersOf(reaper),
        ({ mosquitto }) => mosquitto === 'enforcing',
      );
    });
    afterAll(async () => {
      clients.forEach((client) => client.end(true));
      operator?.end(true);
      await stage?.stop();
    });

    const connect = async (device: Device): Promise<MqttClient> => {
      const chain = await (await fetch(`${stage.server.url}/ca/chain.pem`)).text();
      const client = await connectAsync(`mqtts://127.0.0.1:${tls}`, {
        cert: pemOf(device) + chain.split(/(?<=-----END CERTIFICATE-----\n)/)[0]!,
        key: device.key.export({ type: 'pkcs8', format: 'pem' }) as string,
        rejectUnauthorized: false,
        clientId: device.name,
        protocolVersion: 5,
        reconnectPeriod: 0,
      });
      client.on('error', () => {});
      clients.push(client);
      return client;
    };
    const joined = async (name: string, wide = false): Promise<{ device: Device; client: MqttClient }> => {
      const device = await stage.device(name, wide);
      await eventually(
        () => clientOf(name),
        (client) => client !== undefined,
      );
      return { device, client: await connect(device) };
    };
    const publishes = (client: MqttClient, topic: string): Promise<boolean> =>
      client.publishAsync(topic, 'x', { qos: 1 }).then(
        (packet) => ((packet as { reasonCode?: number } | undefined)?.reasonCode ?? 0) < 128,
        () => false,
      );
    const enforced = (position: number) =>
      eventually(
        () => stage.enforcedBy(position),
        (edges) => edges.has('berlin.mosquitto'),
      );
    const change = async (path: string, body?: object): Promise<number> =>
      ((await stage.must(stage.server.owner.post(path, body))) as { position: number }).position;

    it('lets a device do what its policies say, and nothing else', async () => {
      const { client } = await joined('pump-1');
      expect(await publishes(client, 'things/pump-1/state')).toBe(true);
      expect(await publishes(client, 'things/pump-2/state')).toBe(false);
      const role = (await clientOf('pump-1'))!.roles[0]!.rolename;
      expect(role).toMatch(/^thingward-[0-9a-f]{24}$/);
    });

    it('ends the session of a revoked device, and confirms then', async () => {
      const [victim, other] = [await joined('pump-3'), await joined('pump-4')];
      const socket = brokerSocketOf(victim.client);
      const isGone = closed(victim.client);
      const at = performance.now();
      const position = await change('/v1/things/pump-3/revoke', { reason: 'keyCompromise' });
      await isGone;
      const gone = Math.round(performance.now() - at);
      await enforced(position);
      console.info(
        `revoked at Mosquitto: gone after ${gone} ms, confirmed after ${Math.round(performance.now() - at)} ms`,
      );
      expect(stage.falseClaims(position, [socket])).toEqual([]);
      expect(other.client.connected).toBe(true);
      expect(await clientOf('pump-3')).toBeUndefined();
    });

    it('ends the session of a suspended device, and makes it a client again when it is resumed', async () => {
      const { client, device } = await joined('pump-5');
      const isGone = closed(client);
      await enforced(await change('/v1/things/pump-5/suspend'));
      await isGone;
      expect(await clientOf('pump-5')).toBeUndefined();
      await enforced(await change('/v1/things/pump-5/resume'));
      expect(await publishes(await connect(device), 'things/pump-5/state')).toBe(true);
    });

    it('ends a session whose rights were taken away, which has fewer when it comes back', async () => {
      const { client, device } = await joined('pump-6', true);
      expect(await publishes(client, 'alarms/pump-6')).toBe(true);
      const isGone = closed(client);
      const less = [{ id: 'alarms', effect: 'allow', actions: ['publish'], resources: ['topic:alarms/none'] }];
      await stage.must(stage.server.owner.post('/v1/policies/extra/versions', { statements: less }));
      const made = await stage.must(stage.server.owner.post('/v1/policies/extra/activate', { version: 2 }));
      await enforced(Number(String(made['cursor']).split(':')[1]));
      await isGone;
      const back = await connect(device);
      expect(await publishes(back, 'alarms/pump-6')).toBe(false);
      expect(await publishes(back, 'things/pump-6/state')).toBe(true);
    });

    it('mends what somebody changed by hand', async () => {
      await joined('pump-7');
      const role = (await clientOf('pump-7'))!.roles[0]!.rolename;
      await ask({
        command: 'addRoleACL',
        rolename: role,
        acltype: 'publishClientSend',
        topic: '#',
        priority: 9,
        allow: true,
      });
      await ask({ command: 'modifyClient', username: 'pump-7', roles: [{ rolename: 'admin' }] });
      await ask({ command: 'createClient', username: 'pump-3', textname: 'thingward', roles: [{ rolename: role }] });
      await eventually(
        () => clientOf('pump-7'),
        (client) => client?.roles[0]?.rolename === role,
      );
      await eventually(
        () => clientOf('pump-3'),
        (client) => client === undefined,
      );
      const [found] = await ask({ command: 'getRole', rolename: role });
      expect(JSON.stringify(found!.data)).not.toContain('"topic":"#","priority":9');
      expect(stage.lines.some((each) => each.includes('is mended'))).toBe(true);
    });

    it('confirms nothing while the broker is away, and is right when it is back', async () => {
      const { device } = await joined('pump-8');
      operator.end(true);
      child.kill('SIGKILL');
      await once(child, 'exit');
      const position = await change('/v1/things/pump-8/suspend');
      await eventually(
        () => stage.brokersOf(reaper),
        ({ mosquitto }) => mosquitto === 'unreachable',
      );
      expect(await stage.enforcedBy(position)).toEqual(new Map());
      await startBroker();
      await operate();
      await enforced(position);
      expect(await clientOf('pump-8')).toBeUndefined();
      expect(await publishes(await connect(device), 'things/pump-8/state')).toBe(false);
    });
  },
);
