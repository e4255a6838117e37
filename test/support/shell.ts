import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { programFlags } from './program.js';

export type ShellResult = { code: number | null; output: string };

/** Runs a script with bash in a folder; stops at its first failure. */
export function runShell(script: string, cwd: string, env: Record<string, string> = {}): Promise<ShellResult> {
  return run('bash', ['-euo', 'pipefail', '-c', script], cwd, env);
}

/** Runs `thingward ARGS...` with the built program, without a terminal. */
export function runThingward(
  args: string[],
  env: Record<string, string> = {},
  cwd = process.cwd(),
): Promise<ShellResult> {
  return run(process.execPath, [...programFlags, resolve('dist/main.js'), ...args], cwd, env);
}

function run(program: string, args: string[], cwd: string, env: Record<string, string>): Promise<ShellResult> {
  return new Promise((done) => {
    const child = spawn(program, args, {
      cwd,
      env: {
        HOME: process.env['HOME'] ?? cwd,
        ...env,
        PATH: `${join(cwd, 'node_modules/.bin')}:${env['PATH'] ?? process.env['PATH']!}`,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.on('close', (code) => done({ code, output }));
  });
}

/** An empty folder in which scripts find the built program as `thingward`, as they do where the package is installed. */
export function userFolder(): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'thingward-user-'));
  const bin = join(path, 'node_modules/.bin');
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(path, 'package.json'), '{ "name": "user", "private": true }');
  writeFileSync(
    join(bin, 'thingward'),
    `#!/bin/sh\nexec "${process.execPath}" ${programFlags.join(' ')} "${resolve('dist/main.js')}" "$@"\n`,
  );
  chmodSync(join(bin, 'thingward'), 0o755);
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
