import { execFile as execFileWithCallback, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { freePort } from '../ports.js';

const execFile = promisify(execFileWithCallback);

export const awsAccount = '123456789012';
export const region = 'eu-central-1';

/** The credentials that the SDK and the command line find in the environment: an emulator takes any. */
export const awsEnvironment = {
  AWS_ACCESS_KEY_ID: 'testing',
  AWS_SECRET_ACCESS_KEY: 'testing',
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_DEFAULT_REGION: region,
};

/** Moto's server: somebody else's AWS IoT, in memory. */
export type Moto = {
  url: string;
  /** What Amazon's command line says about it, as JSON. */
  aws(...args: string[]): Promise<any>;
  stop(): Promise<void>;
};

export async function startMoto(): Promise<Moto> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = spawn('moto_server', ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
  const stop = async () => {
    const ended = once(child, 'exit');
    child.kill();
    await ended;
  };
  for (let tries = 0; ; tries++) {
    if (tries > 6000 || child.exitCode !== null) throw new Error('moto_server did not start');
    if (
      await fetch(`${url}/moto-api/`).then(
        ({ ok }) => ok,
        () => false,
      )
    )
      break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  // Started beside: a server in this process goes on answering.
  const aws = async (...args: string[]) => {
    const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], ...awsEnvironment };
    const { stdout } = await execFile('aws', ['--endpoint-url', url, '--output', 'json', ...args], { env });
    return stdout.trim() === '' ? undefined : JSON.parse(stdout);
  };
  return { url, aws, stop };
}
