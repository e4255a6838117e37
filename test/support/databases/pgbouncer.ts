import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../ports.js';
import { untilReady } from './postgres.js';

/** Starts PgBouncer before a database, in one of its modes, and returns the URL of the database through it. */
export async function startPgBouncer(
  databaseUrl: string,
  mode: 'session' | 'transaction',
): Promise<{ url: string; stop(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'thingward-pgbouncer-'));
  chmodSync(folder, 0o755);
  const { hostname, port: behind, pathname, username } = new URL(databaseUrl);
  const port = await freePort();
  const settings = `[databases]
* = host=${hostname} port=${behind} user=${username}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = ${mode}
default_pool_size = 30
ignore_startup_parameters = extra_float_digits
logfile = ${join(folder, 'log')}
`;
  writeFileSync(join(folder, 'pgbouncer.ini'), settings);
  writeFileSync(join(folder, 'log'), '');
  chmodSync(join(folder, 'log'), 0o666);
  // It refuses to run as root.
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  const program = spawn('pgbouncer', [...user, join(folder, 'pgbouncer.ini')], { stdio: 'ignore' });
  const url = `postgresql://${username}@127.0.0.1:${port}${pathname}`;
  await untilReady(url, 'PgBouncer');
  const stop = async (): Promise<void> => {
    const ended = new Promise((resolve) => program.once('exit', resolve));
    program.kill('SIGQUIT');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  return { url, stop };
}
