import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { freePort } from '../ports.js';
import { findPostgres, unprivileged, untilReady } from './postgres.js';

/** One PostgreSQL with the Patroni that looks after it. */
export type Member = {
  name: string;
  /** Ends both at once, as the loss of their machine would. */
  kill(): Promise<void>;
  /** Nothing of it runs until `resume`, and its sockets stay open: as a machine that hangs. */
  pause(): void;
  resume(): void;
  start(): Promise<void>;
};

/** Three PostgreSQL with a synchronous standby under Patroni and etcd, behind HAProxy, which leads to the primary. */
export type Cluster = {
  url(database: string): string;
  members: Member[];
  /** The member that Patroni says is the primary. */
  primary(): Promise<Member>;
  stop(): Promise<void>;
};

// As short as Patroni allows: it gives a primary that says nothing up after `ttl` seconds.
const timing = { ttl: 20, loop_wait: 1, retry_timeout: 3 };
const user = unprivileged();

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

type Place = { name: string; rest: number; port: number; data: string };

/** Starts the cluster. Resolves once its primary takes connections through HAProxy and waits for a standby. */
export async function startCluster(): Promise<Cluster> {
  const folder = mkdtempSync(join(tmpdir(), 'thingward-patroni-'));
  if (user) chownSync(folder, user.uid, user.gid);
  const etcd = await startEtcd(folder);
  const places = await Promise.all(['one', 'two', 'three'].map((name) => placeOf(folder, name)));
  const members = places.map((place) => createMember(folder, place, etcd.port));
  const front = await freePort();
  for (const member of members) await member.start();
  const haproxy = startHaproxy(folder, front, places);
  const url = (database: string) => `postgresql://postgres@127.0.0.1:${front}/${database}`;
  await untilSynchronous(places);
  await untilSteady(url('postgres'));
  return {
    url,
    members,
    async primary() {
      const index = (await rolesOf(places)).indexOf('master');
      if (index < 0) throw new Error('there is no primary');
      return members[index]!;
    },
    async stop() {
      await end(haproxy);
      for (const member of members) await member.kill();
      await end(etcd.process);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

async function startEtcd(folder: string): Promise<{ port: number; process: ChildProcess }> {
  const [port, peer] = [await freePort(), await freePort()];
  const [client, between] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${peer}`];
  const args = [
    ...['--data-dir', join(folder, 'etcd'), '--log-level', 'error', '--unsafe-no-fsync'],
    ...['--listen-client-urls', client, '--advertise-client-urls', client, '--listen-peer-urls', between],
    ...['--initial-advertise-peer-urls', between, '--initial-cluster', `default=${between}`],
  ];
  return { port, process: spawn('etcd', args, { stdio: 'ignore' }) };
}

async function placeOf(folder: string, name: string): Promise<Place> {
  return { name, rest: await freePort(), port: await freePort(), data: join(folder, name, 'data') };
}

function createMember(folder: string, place: Place, etcd: number): Member {
  const { name, rest, port, data } = place;
  const home = join(folder, name);
  mkdirSync(home);
  if (user) chownSync(home, user.uid, user.gid);
  const login = { username: 'postgres', password: 'none' };
  const settings = {
    scope: 'thingward',
    name,
    restapi: { listen: `127.0.0.1:${rest}`, connect_address: `127.0.0.1:${rest}` },
    etcd3: { host: `127.0.0.1:${etcd}` },
    bootstrap: {
      dcs: {
        ...timing,
        synchronous_mode: true,
        synchronous_mode_strict: true,
        postgresql: { use_pg_rewind: true, parameters: { max_connections: 60, shared_buffers: '32MB' } },
      },
      initdb: [{ encoding: 'UTF8' }, { locale: 'C.UTF-8' }, 'data-checksums'],
    },
    postgresql: {
      listen: `127.0.0.1:${port}`,
      connect_address: `127.0.0.1:${port}`,
      data_dir: data,
      bin_dir: findPostgres(),
      pgpass: join(home, 'pgpass'),
      authentication: { superuser: login, replication: { ...login, username: 'replicator' } },
      parameters: { unix_socket_directories: home },
      pg_hba: ['local all all trust', 'host all all 127.0.0.1/32 trust', 'host replication all 127.0.0.1/32 trust'],
    },
  };
  const file = join(home, 'patroni.json');
  writeFileSync(file, JSON.stringify(settings));
  if (user) chownSync(file, user.uid, user.gid);
  let patroni: ChildProcess | undefined;
  const processes = (): number[] => [
    ...(patroni?.pid && patroni.exitCode === null ? [patroni.pid] : []),
    ...postgresOf(data),
  ];
  const signal = (what: NodeJS.Signals): void => processes().forEach((pid) => sendTo(pid, what));
  return {
    name,
    async kill() {
      const ended = patroni && patroni.exitCode === null && patroni.signalCode === null && once(patroni, 'exit');
      for (; postgresOf(data).length > 0; await pause(20)) signal('SIGKILL');
      signal('SIGKILL');
      await ended;
    },
    pause: () => signal('SIGSTOP'),
    resume: () => signal('SIGCONT'),
    async start() {
      const started = spawn('patroni', [file], { ...user, cwd: home, stdio: ['ignore', 'ignore', 'pipe'] });
      patroni = started;
      let said = '';
      started.stderr.on('data', (octets: Buffer) => (said = `${said}${octets.toString()}`.slice(-4000)));
      await untilReady(`postgresql://postgres@127.0.0.1:${port}/postgres`, `member ${name}`, () => {
        if (started.exitCode !== null) throw new Error(`Patroni ended: ${said}`);
      });
    },
  };
}

/** False where there is no such process. */
function sendTo(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/** The server that runs on a data folder, and its children. */
function postgresOf(data: string): number[] {
  const lines = execFileSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' }).split('\n');
  const all = lines.map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line)).filter((found) => found !== null);
  const server = all.find(([, , , args]) => args!.includes(`postgres -D ${data} `))?.[1];
  return all.filter(([, pid, parent]) => server && (pid === server || parent === server)).map(([, pid]) => Number(pid));
}

function startHaproxy(folder: string, front: number, places: Place[]): ChildProcess {
  const servers = places.map(
    ({ name, port, rest }) => `  server ${name} 127.0.0.1:${port} check port ${rest} on-marked-down shutdown-sessions`,
  );
  const lines = [
    ...['defaults', '  mode tcp', '  timeout connect 2s', '  timeout client 1h', '  timeout server 1h'],
    ...[
      'listen primary',
      `  bind 127.0.0.1:${front}`,
      '  option httpchk GET /primary',
      '  http-check expect status 200',
    ],
    ...['  default-server inter 500 fastinter 200 fall 2 rise 1', ...servers, ''],
  ];
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(file, lines.join('\n'));
  return spawn('haproxy', ['-db', '-f', file], { stdio: 'ignore' });
}

const rolesOf = (places: Place[]): Promise<(string | undefined)[]> =>
  Promise.all(
    places.map(async ({ rest }) => {
      const answer = await fetch(`http://127.0.0.1:${rest}/patroni`, { signal: AbortSignal.timeout(2000) }).catch(
        () => undefined,
      );
      const { state, role } = ((await answer?.json()) ?? {}) as { state?: string; role?: string };
      return state === 'running' ? role : undefined;
    }),
  );

async function untilSynchronous(places: Place[]): Promise<void> {
  for (let attempt = 0; attempt < 600; attempt++) {
    for (const { rest } of places) {
      const answer = await fetch(`http://127.0.0.1:${rest}/synchronous`).catch(() => undefined);
      if (answer?.status === 200) return;
    }
    await pause(100);
  }
  throw new Error('no standby became synchronous');
}

/** Until its first checks are done, HAProxy takes every server for the primary. */
async function untilSteady(url: string): Promise<void> {
  for (let good = 0, attempt = 0; good < 10; attempt++) {
    if (attempt > 600) throw new Error('HAProxy leads to no primary');
    good = (await isPrimary(url)) ? good + 1 : 0;
    await pause(200);
  }
}

async function isPrimary(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  try {
    await client.connect();
    const { rows } = await client.query<{ is: boolean }>('SELECT NOT pg_is_in_recovery() AS is');
    return rows[0]!.is;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}
