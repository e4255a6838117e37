import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { freePort } from '../ports.js';

/** A PostgreSQL server of its own, on loopback, gone without a trace when stopped. */
export type PostgresServer = {
  url(database: string): string;
  /** Ends it and keeps its data: SIGINT is a "fast" shutdown, SIGQUIT an "immediate" one, SIGKILL a crash. */
  halt(signal: 'SIGINT' | 'SIGQUIT' | 'SIGKILL'): Promise<void>;
  /** Starts it on the data that it had. Resolves when it takes connections. */
  resume(): Promise<void>;
  /** Makes it a standby of nobody and promotes that: it continues with what it had, on another timeline. */
  promote(): Promise<void>;
  /** What receives its log under a name, and confirms it as a synchronous standby does. */
  receive(name: string): Promise<{ stop(): Promise<void> }>;
  stop(): Promise<void>;
};

/** The folder of PostgreSQL's programs; undefined where there are none. */
export function findPostgres(): string | undefined {
  const versions = existsSync('/usr/lib/postgresql') ? readdirSync('/usr/lib/postgresql') : [];
  const folders = [
    ...versions
      .sort()
      .reverse()
      .map((version) => `/usr/lib/postgresql/${version}/bin`),
    '/usr/local/bin',
    '/usr/bin',
  ];
  return folders.find((folder) => existsSync(join(folder, 'initdb')));
}

/** Starts a server whose time zone is not UTC, as a customer's may be. Without `fsync` it is fast and forgets on power loss, which is right for most tests. */
export async function startPostgres({ fsync = false } = {}): Promise<PostgresServer> {
  const programs = findPostgres();
  if (!programs) throw new Error('PostgreSQL is not installed: apt-get install postgresql');
  const folder = mkdtempSync(join(tmpdir(), 'thingward-pg-'));
  const user = unprivileged();
  if (user) chownSync(folder, user.uid, user.gid);
  const data = join(folder, 'data');
  execFileSync(
    join(programs, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-sync', '--locale=C.UTF-8'],
    { ...user, cwd: folder, stdio: 'ignore' },
  );
  const port = await freePort();
  const settings = {
    port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: folder,
    fsync: fsync ? 'on' : 'off',
    max_connections: 200,
    timezone: 'Asia/Kolkata',
  };
  const args = ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
  const url = (database: string) => `postgresql://postgres@127.0.0.1:${port}/${database}`;
  let server: ChildProcess | undefined;
  // What a killed server leaves in shared memory goes with its last process, and until then none starts.
  const resume = () =>
    untilReady(url('postgres'), 'PostgreSQL', () => {
      if (!server || hasEnded(server))
        server = spawn(join(programs, 'postgres'), args, { ...user, cwd: folder, stdio: 'ignore' });
    });
  const halt = async (signal: NodeJS.Signals) => {
    if (!server || hasEnded(server)) return;
    const ended = new Promise((resolve) => server?.once('exit', resolve));
    server.kill(signal);
    await ended;
  };
  await resume();
  const stop = async () => {
    await halt('SIGQUIT');
    rmSync(folder, { recursive: true, force: true });
  };
  const receive = (name: string) =>
    startReceiver(join(programs, 'pg_receivewal'), { url: url('postgres'), folder, name });
  const promote = async (): Promise<void> => {
    await halt('SIGINT');
    writeFileSync(join(data, 'standby.signal'), '');
    await resume();
    const client = new pg.Client({ connectionString: url('postgres') });
    await client.connect();
    await client.query('SELECT pg_promote()');
    await client.end();
  };
  return { url, halt, resume, promote, receive, stop };
}

async function startReceiver(program: string, { url, folder, name }: { url: string; folder: string; name: string }) {
  const target = join(folder, name);
  const user = unprivileged();
  mkdirSync(target);
  if (user) chownSync(target, user.uid, user.gid);
  const args = ['--directory', target, '--synchronous', '--dbname', `${url}?application_name=${name}`];
  const receiver = spawn(program, args, { ...user, cwd: folder, stdio: 'ignore' });
  return {
    async stop() {
      if (hasEnded(receiver)) return;
      const ended = new Promise((resolve) => receiver.once('exit', resolve));
      receiver.kill('SIGKILL');
      await ended;
    },
  };
}

const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode !== null || signalCode !== null;

/** Makes a database, empty or a copy of another, and returns its URL. */
export async function createDatabase(
  server: Pick<PostgresServer, 'url'>,
  name: string,
  template = 'template1',
): Promise<string> {
  const client = new pg.Client({ connectionString: server.url('postgres') });
  await client.connect();
  await client.query(`CREATE DATABASE "${name}" TEMPLATE "${template}"`);
  await client.end();
  return server.url(name);
}

/** Whom PostgreSQL runs as: it refuses to run as root. */
export function unprivileged(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

/** Resolves when a database takes connections; `start` is called before every attempt. @throws when it never does */
export async function untilReady(url: string, what: string, start: () => void = () => {}): Promise<void> {
  for (let attempt = 0; attempt < 6000; attempt++) {
    start();
    const client = new pg.Client({ connectionString: url });
    try {
      await client.connect();
      return await client.end();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error(`${what} did not start`);
}
