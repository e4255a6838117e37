import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isListening } from '../edge/brokers.js';
import { freePort } from '../ports.js';

const jars = join(import.meta.dirname, '../../../.ci-tools/kafka');

/** What Kafka needs and this machine does not have. */
export const missingForKafka = (): string[] => [
  ...(existsSync(jars) ? [] : ['Kafka in .ci-tools/kafka']),
  ...(spawnSync('java', ['-version']).status === 0 ? [] : ['java']),
];

/** One broker of Kafka that is its own controller (KRaft), with its logs in a folder. */
export async function createKafka(folder: string) {
  const [port, controller] = [await freePort(), await freePort()];
  const file = join(folder, 'server.properties');
  const settings = [
    'process.roles=broker,controller',
    'node.id=1',
    `controller.quorum.voters=1@127.0.0.1:${controller}`,
    `listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}`,
    'controller.listener.names=CONTROLLER',
    'listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
    `log.dirs=${join(folder, 'logs')}`,
    'offsets.topic.replication.factor=1',
    'offsets.topic.num.partitions=1',
    'group.initial.rebalance.delay.ms=0',
    'auto.create.topics.enable=false',
  ];
  writeFileSync(file, settings.join('\n'));
  const java = (...words: string[]): string[] => ['-Xmx256m', '-XX:TieredStopAtLevel=1', '-cp', `${jars}/*`, ...words];
  const formatted = spawnSync(
    'java',
    java('kafka.tools.StorageTool', 'format', '-t', 'MkU3OEVBNTcwNTJENDM2Qk', '-c', file),
  );
  if (formatted.status !== 0) throw new Error(`the storage of Kafka was not made: ${String(formatted.stderr)}`);
  let child: ChildProcess | undefined;

  return {
    port,

    async start(): Promise<void> {
      child = spawn('java', java('kafka.Kafka', file), { stdio: 'ignore' });
      while (!(await isListening(port))) {
        if (child.exitCode !== null) throw new Error('Kafka did not start');
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    },

    async stop(): Promise<void> {
      if (!child || child.exitCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
      child = undefined;
    },
  };
}
