import { existsSync, readFileSync } from 'node:fs';
import { once } from 'node:events';
import { connect } from 'node:net';
import { freePort } from '../ports.js';
import type { ProxyStage } from '../brokers/proxies.js';

const folder = '/usr/lib/rabbitmq/bin';

/** What a suite with RabbitMQ needs. */
export const rabbitmqPrograms = [`${folder}/rabbitmq-server`, 'epmd'];

/** A node of RabbitMQ in the foreground, with MQTT and management on loopback. */
export type RabbitmqNode = Awaited<ReturnType<typeof startRabbitmq>>;

/** Starts a node with the lines of a configuration, beside those for its ports. */
export async function startRabbitmq(
  stage: Pick<ProxyStage, 'file' | 'at' | 'start'>,
  lines: string,
  plugins: string[] = [],
) {
  const [port, managementPort, mapper, dist] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const own = [
    'listeners.tcp = none',
    `mqtt.listeners.tcp.default = 127.0.0.1:${port}`,
    'management.tcp.ip = 127.0.0.1',
    `management.tcp.port = ${managementPort}`,
    'mqtt.allow_anonymous = false',
    '',
  ].join('\n');
  const enabled = ['rabbitmq_mqtt', 'rabbitmq_management', ...plugins];
  const env = {
    RABBITMQ_NODENAME: `thingward-${port}@localhost`,
    RABBITMQ_CONFIG_FILE: stage.file('rabbitmq.conf', `${lines}\n${own}`),
    RABBITMQ_ENABLED_PLUGINS_FILE: stage.file('enabled_plugins', `[${enabled.join(',')}].`),
    RABBITMQ_MNESIA_BASE: stage.at('mnesia'),
    RABBITMQ_LOG_BASE: stage.at('log'),
    RABBITMQ_PID_FILE: stage.at('pid'),
    RABBITMQ_DIST_PORT: String(dist),
    ERL_EPMD_PORT: String(mapper),
    ERL_EPMD_ADDRESS: '127.0.0.1',
  };
  // A node that finds no port mapper starts one, which outlives it.
  await stage.start('epmd', ['-port', String(mapper), '-address', '127.0.0.1'], mapper);

  const start = async (): Promise<void> => {
    await stage.start(`${folder}/rabbitmq-server`, [], managementPort, env);
    await answers(`http://127.0.0.1:${managementPort}/api/overview`);
    // The port of MQTT opens in its own time.
    await listens(port);
  };

  /** Ends the node, which runs apart from the script that started it, and waits until it is gone. */
  const kill = async (): Promise<void> => {
    if (!existsSync(stage.at('pid'))) return;
    const pid = Number(readFileSync(stage.at('pid'), 'utf8'));
    for (let isThere = true; isThere;) {
      isThere = signal(pid);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };

  await start();
  return { port, managementPort, url: `http://127.0.0.1:${managementPort}`, start, kill };
}

async function answers(url: string): Promise<void> {
  for (;;) {
    const answer = await fetch(url).catch(() => undefined);
    if (answer) return void (await answer.arrayBuffer());
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function listens(port: number): Promise<void> {
  for (let isOpen = false; !isOpen;) {
    const socket = connect(port, '127.0.0.1');
    isOpen = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'error').then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (!isOpen) await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function signal(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    return false;
  }
}
