import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../ports.js';
import { runProgram } from '../pki/openssl.js';
import type { Listener } from '../edge/brokers.js';

const libraries = join(import.meta.dirname, '../../../.ci-tools/hivemq');
const source = join(import.meta.dirname, 'hivemq/HiveMq.java');

/** What HiveMQ needs and this machine does not have. */
export const missingForHiveMq = (): string[] => (existsSync(libraries) ? [] : ['HiveMQ in .ci-tools/hivemq']);

/** Starts HiveMQ Community Edition, which lets everybody in. Takes ten seconds on a machine with nothing else to do. */
export async function startHiveMq(): Promise<Listener> {
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'hivemq-'));
  runProgram('javac', ['-cp', `${libraries}/*`, '-d', folder, source]);
  const child = spawn('java', ['-cp', `${folder}:${libraries}/*`, 'HiveMq', String(port), folder], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const ended = once(child, 'exit');
  let said = '';
  await new Promise<void>((resolve, reject) => {
    child.once('exit', () => reject(new Error(`HiveMQ did not start: ${said}`)));
    child.stdout.on('data', (text: Buffer) => {
      said += text.toString();
      if (/^started$/m.test(said)) resolve();
    });
  });
  return {
    port,
    async stop() {
      child.stdin.end();
      await ended;
      await rm(folder, { recursive: true });
    },
  };
}
