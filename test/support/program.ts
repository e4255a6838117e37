import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { freePort } from './ports.js';

/** The built program as its own process. */
export type Program = {
  url: string;
  /** What it printed so far. */
  output(): string;
  process: ChildProcess;
  kill(signal?: NodeJS.Signals): Promise<number | null>;
};

/** The embedded engine is compiled once and plainly: a program of a test does not live long enough to gain by more. */
export const programFlags = ['--liftoff-only'];

const startMs = 600_000;

/** Runs the built program as `npm start` does and waits until it listens. @throws with what it printed when it ends before */
export async function startProgram(settings: Record<string, string>, folder = '.'): Promise<Program> {
  const port = settings['THINGWARD_PORT'] ?? String(await freePort());
  const env = {
    PATH: process.env['PATH'],
    HOME: process.env['HOME'],
    LOG_LEVEL: 'warn',
    ...settings,
    THINGWARD_PORT: port,
  };
  const child = spawn(process.execPath, [...programFlags, '--max-semi-space-size=16', 'dist/main.js', 'serve'], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const kill = async (signal: NodeJS.Signals = 'SIGTERM') => {
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
    return child.exitCode;
  };
  const deadline = performance.now() + startMs;
  while (!output.includes('listens on')) {
    if (child.exitCode !== null || performance.now() > deadline) {
      await kill('SIGKILL');
      throw new Error(`the program did not start: ${output}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return { url: `http://127.0.0.1:${port}`, output: () => output, process: child, kill };
}
