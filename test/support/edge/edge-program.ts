import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';

/** `thingward edge` of the built program, as its own process. */
export type EdgeProgram = {
  child: ChildProcess;
  /** What it printed so far. */
  output(): string;
  /** Ends it, also one that is stopped. Resolves when it is gone. */
  kill(signal?: NodeJS.Signals): Promise<void>;
};

type Options = { listeners: number; nodeArgs?: string[]; under?: string[] };

/**
 * Starts an edge on a file of settings, and waits until so many listeners are open. `under` is a command that it runs under.
 * @throws Error with what it printed when it ends before
 */
export async function startEdgeProgram(
  file: string,
  { listeners, nodeArgs = [], under = [] }: Options,
): Promise<EdgeProgram> {
  const [program, ...args] = [
    ...under,
    process.execPath,
    ...nodeArgs,
    resolve('dist/main.js'),
    'edge',
    '--config',
    file,
  ];
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'] },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (octets: Buffer) => (output = `${output}${octets.toString()}`.slice(-100_000)));
  while (output.split('the edge listens').length <= listeners) {
    if (child.exitCode !== null) throw new Error(`the edge did not start: ${output}`);
    await new Promise((again) => setTimeout(again, 20));
  }
  return {
    child,
    output: () => output,
    async kill(signal = 'SIGTERM') {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill(signal);
      await ended;
    },
  };
}
