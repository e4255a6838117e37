import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { connectAsync, type MqttClient } from 'mqtt';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { tokenOf } from '../../support/brokers/stage.js';
import type { Device } from '../../support/fleet.js';
import { describeWith } from '../../support/programs.js';
import { rabbitmqPrograms, startRabbitmq, type RabbitmqNode } from '../../support/reaper/rabbitmq.js';
import { brokerSocketOf, createReaperStage, eventually, type ReaperStage } from '../../support/reaper/stage.js';
import { seeded } from '../../support/seeded.js';

const count = (name: string, otherwise: number): number => Number(process.env[name] ?? otherwise);
const sessions = count('REAPER_SESSIONS', 120);
const revoked = count('REAPER_REVOKED', 20);
const kills = count('REAPER_KILLS', 3);
const atOnce = 10;
const longestLifeMs = 8000;

// The built program, killed while it ends the sessions of a bulk revocation.
describeWith([...rabbitmqPrograms, 'openssl'], 'a reaper that is killed', () => {
  let stage: ReaperStage;
  let node: RabbitmqNode;
  let child: ChildProcess | undefined;
  let file: string;

  beforeAll(async () => {
    stage = await createReaperStage();
    const guided = stage
      .guide('rabbitmq', 'rabbitmq', 0, stage.proxy)
      .replace('auth_backends.1 = http', 'auth_backends.1 = internal\nauth_backends.2 = http')
      // Many log in at once, on a machine that does more: a question has its time.
      .replaceAll(/_timeout = \d+/g, '_timeout = 60000')
      .replace(/^mqtt\..*\n/gm, '');
    node = await startRabbitmq(stage, guided, ['rabbitmq_auth_backend_http']);
    const broker = {
      name: 'rabbit',
      kind: 'rabbitmq',
      url: node.url,
      username: 'guest',
      passwordEnv: 'PW',
      validity: '1s',
    };
    file = stage.settingsOf('berlin', [broker]);
  });
  afterAll(async () => {
    child?.kill('SIGKILL');
    // Its number is in a file of the stage.
    await node?.kill();
    await stage?.stop();
  });

  const start = async (): Promise<ChildProcess> => {
    const started = spawn(process.execPath, [resolve('dist/main.js'), 'reaper', '--config', file], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], PW: 'guest' },
    });
    let output = '';
    for (const stream of [started.stdout, started.stderr])
      stream.on('data', (octets: Buffer) => (output = `${output}${octets.toString()}`.slice(-50_000)));
    await eventually(
      () => output,
      (text) => {
        if (started.exitCode !== null) throw new Error(`the reaper did not start: ${text}`);
        return text.includes('the reaper follows');
      },
    );
    return started;
  };
  const kill = async (running: ChildProcess): Promise<void> => {
    const ended = once(running, 'exit');
    running.kill('SIGKILL');
    await ended;
  };

  it(`ends all of ${revoked} among ${sessions} however often it is killed, and confirms nothing before`, async () => {
    const random = seeded('reaper-kills');
    const clients = new Map<string, MqttClient>();
    const join = async (device: Device): Promise<void> => {
      const client = await connectAsync(`mqtt://127.0.0.1:${node.port}`, {
        username: device.name,
        password: tokenOf(device),
        clientId: device.name,
        protocolVersion: 4,
        reconnectPeriod: 0,
        connectTimeout: 120_000,
        keepalive: 0,
      });
      clients.set(
        device.name,
        client.on('error', () => {}),
      );
    };
    for (let from = 0; from < sessions; from += atOnce) {
      const names = Array.from({ length: Math.min(atOnce, sessions - from) }, (_, at) => `w-${from + at}`);
      await Promise.all(names.map(async (name) => join(await stage.device(name))));
    }
    child = await start();
    await eventually(
      async () => (await stage.server.owner.get('/v1/proxies')).body.items as { name: string; stale: boolean }[],
      (items) => items.some(({ stale }) => !stale),
    );
    const victims = Array.from({ length: revoked }, (_, at) => `w-${at * Math.floor(sessions / revoked)}`);
    const sockets = victims.map((name) => brokerSocketOf(clients.get(name)!));
    const began = performance.now();
    const revoking = (async () => {
      let last = 0;
      for (const name of victims) {
        const answer = await stage.server.owner.post(`/v1/things/${name}/revoke`, { reason: 'keyCompromise' });
        last = (answer.body as { position: number }).position;
      }
      return last;
    })();
    for (let nth = 0; nth < kills; nth++) {
      // The first is killed amid its first comparison, when the broker lists a part of the sessions.
      await new Promise((later) => setTimeout(later, nth === 0 ? 100 : random.below(longestLifeMs)));
      await kill(child);
      child = await start();
    }
    const position = await revoking;
    await eventually(
      () => stage.enforcedBy(position),
      (edges) => edges.has('berlin.rabbit'),
      600_000,
    );
    expect(victims.filter((name) => clients.get(name)!.connected)).toEqual([]);
    expect(stage.falseClaims(position, sockets)).toEqual([]);
    const others = [...clients].filter(([name]) => !victims.includes(name));
    const lost = others.filter(([, client]) => !client.connected).length;
    expect(lost).toBe(0);
    console.info(
      `${revoked} of ${sessions} sessions ended over ${kills} kills within ${Math.round((performance.now() - began) / 1000)} s, ${stage.relay.claims().length} claims were compared, ${lost} others were lost`,
    );
    clients.forEach((client) => client.end(true));
  });
});
