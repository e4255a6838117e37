import { spawn } from 'node:child_process';

/** How a program ended; `output` is the beginning of what it printed. */
export type Ended = { ok: boolean; exitCode?: number; error?: string; output: string };

/** What a program is run with. */
export type Run = { program: string; args: string[]; input: string; ms: number };

const mostOutput = 4096;

/** Runs a program by the shell, with the input on stdin, for so long at most: then it is killed with everything that it started. */
export function runProgram({ program, args, input, ms }: Run): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn('/bin/sh', ['-c', program, 'thingward-agent', ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    let output = Buffer.alloc(0);
    let isLate = false;
    const keep = (octets: Buffer): void => {
      if (output.length < mostOutput) output = Buffer.concat([output, octets]).subarray(0, mostOutput);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    // A program need not read what it is given.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    const killAll = (): void => {
      try {
        process.kill(-child.pid!, 'SIGKILL');
      } catch {
        // It is gone already.
      }
    };
    const timer = setTimeout(() => {
      isLate = true;
      killAll();
    }, ms);
    const over = (ended: Omit<Ended, 'output'>): void => {
      clearTimeout(timer);
      child.stdout.destroy();
      child.stderr.destroy();
      resolve({ ...ended, output: textOf(output) });
    };
    child.once('error', (error) => over({ ok: false, error: `it cannot be run: ${error.message}` }));
    // Not `close`: what it left behind may hold its output open.
    child.once('exit', (code, signal) => {
      if (isLate) return over({ ok: false, error: `it took longer than ${Math.round(ms / 1000)} s` });
      // What is printed already is read first.
      setImmediate(() =>
        over(code === null ? { ok: false, error: `it was ended by ${signal}` } : { ok: code === 0, exitCode: code }),
      );
    });
  });
}

/** Text that JSON and every database can hold. */
function textOf(octets: Buffer): string {
  return octets
    .toString('utf8')
    .replaceAll('\0', '')
    .replace(/^\uFEFF/, '');
}
