import { spawn, type ChildProcess } from 'node:child_process';
import { resolve } from 'node:path';

/** What a command did. */
export type Ran = { code: number | null; stdout: string; stderr: string };

type Options = { env?: Record<string, string>; cwd?: string; input?: string };

/** Starts `thingward ARGS...` with the built program, without a terminal. */
function start(args: string[], { env = {}, cwd = process.cwd(), input }: Options): ChildProcess {
  const child = spawn(process.execPath, [resolve('dist/main.js'), ...args], {
    cwd,
    env: { PATH: process.env['PATH']!, HOME: cwd, ...env },
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  child.stdin?.end(input);
  return child;
}

function collect(child: ChildProcess, onText: (ran: Ran) => void = () => {}): Promise<Ran> {
  const ran: Ran = { code: null, stdout: '', stderr: '' };
  child.stdout!.on('data', (chunk: Buffer) => ((ran.stdout += chunk.toString()), onText(ran)));
  child.stderr!.on('data', (chunk: Buffer) => ((ran.stderr += chunk.toString()), onText(ran)));
  return new Promise((done) => child.on('close', (code) => done({ ...ran, code })));
}

/** Runs `thingward ARGS...` until it ends; what it writes for programs and what it says to people come apart. */
export const runCli = (args: string[], options: Options = {}): Promise<Ran> => collect(start(args, options));

/** Runs a command that never ends, until it has written enough. `meanwhile` runs again and again until then. */
export async function runUntil(
  args: string[],
  options: Options,
  isEnough: (ran: Ran) => boolean,
  meanwhile: () => Promise<unknown>,
): Promise<Ran> {
  const child = start(args, options);
  let enough = false;
  const ended = collect(child, (ran) => (enough ||= isEnough(ran))).finally(() => (enough = true));
  while (!enough) await meanwhile();
  child.kill('SIGINT');
  return ended;
}
