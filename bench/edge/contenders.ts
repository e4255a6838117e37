import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { isListening } from '../../test/support/edge/brokers.js';
import { mgateProgram } from '../peers.js';
import { freePorts, pause, type BenchStage } from './stage.js';

/** What stands between publishers and the broker, where it listens, and its process. */
export type Contender = { name: string; plain: number; tls: number | undefined; pid: number | undefined };

const pinned = ['taskset', '-c', '0'];

/** All of them on the first core, with one broker behind. */
export async function startContenders(stage: BenchStage, brokerPort: number): Promise<Contender[]> {
  // The rest stays away from the first core.
  execFileSync('taskset', ['-acp', '1', String(stage.pid)], { stdio: 'ignore' });
  return [
    { name: 'nothing', plain: brokerPort, tls: undefined, pid: undefined },
    await startHaproxy(stage, brokerPort),
    await startMgate(stage, brokerPort, 'mGate', []),
    await startMgate(stage, brokerPort, 'mGate, logging', ['-log']),
    await startOurs(stage, brokerPort),
  ];
}

async function startHaproxy(stage: BenchStage, brokerPort: number): Promise<Contender> {
  const [plain, tls] = (await freePorts(2)) as [number, number];
  writeFileSync(
    stage.at('haproxy.pem'),
    `${readFileSync(stage.at('tls.crt'), 'utf8')}${readFileSync(stage.at('tls.key'), 'utf8')}`,
  );
  writeFileSync(
    stage.at('haproxy.cfg'),
    `global
  maxconn 5000
  nbthread 1
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
frontend plain
  bind 127.0.0.1:${plain} backlog 4096
  default_backend broker
frontend tls
  bind 127.0.0.1:${tls} backlog 4096 ssl crt ${stage.at('haproxy.pem')}
  default_backend broker
backend broker
  server broker 127.0.0.1:${brokerPort}
`,
  );
  const child = await launch(stage, ['haproxy', '-db', '-f', stage.at('haproxy.cfg')], {}, [plain, tls]);
  return { name: 'HAProxy', plain, tls, pid: child.pid };
}

async function startMgate(stage: BenchStage, brokerPort: number, name: string, args: string[]): Promise<Contender> {
  const [plain, tls] = (await freePorts(2)) as [number, number];
  const target = `127.0.0.1:${brokerPort}`;
  const env = {
    MGATE_MQTT_WITHOUT_TLS_ADDRESS: `127.0.0.1:${plain}`,
    MGATE_MQTT_WITHOUT_TLS_TARGET: target,
    MGATE_MQTT_WITH_TLS_ADDRESS: `127.0.0.1:${tls}`,
    MGATE_MQTT_WITH_TLS_TARGET: target,
    MGATE_MQTT_WITH_TLS_CERT_FILE: stage.at('tls.crt'),
    MGATE_MQTT_WITH_TLS_KEY_FILE: stage.at('tls.key'),
  };
  const child = await launch(stage, [mgateProgram, ...args], env, [plain, tls]);
  return { name, plain, tls, pid: child.pid };
}

async function startOurs(stage: BenchStage, brokerPort: number): Promise<Contender> {
  const [plain, tls] = (await freePorts(2)) as [number, number];
  const host = '127.0.0.1';
  const { pid } = await stage.startEdge({
    name: 'bench',
    server: stage.url,
    upstream: `mqtt://127.0.0.1:${brokerPort}`,
    under: pinned,
    nodeArgs: (process.env['EDGE_NODE_ARGS'] ?? '').split(' ').filter(Boolean),
    listeners: [
      { protocol: 'mqtt', host, port: plain },
      { protocol: 'mqtts', host, port: tls, certFile: 'tls.crt', keyFile: 'tls.key', clientCertificates: 'none' },
    ],
  });
  return { name: 'ours', plain, tls, pid };
}

async function launch(
  stage: BenchStage,
  command: string[],
  env: Record<string, string>,
  ports: number[],
): Promise<ChildProcess> {
  const [program, ...args] = [...pinned, ...command];
  const child = spawn(program!, args, {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env },
  });
  stage.children.push(child);
  for (const port of ports)
    while (!(await isListening(port))) {
      if (child.exitCode !== null) throw new Error(`${command[0]} does not start`);
      await pause(20);
    }
  return child;
}
