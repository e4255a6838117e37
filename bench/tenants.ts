import { execFileSync, fork, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { setPriority } from 'node:os';
import { createClient } from '../test/support/client.js';
import { createDatabase, startPostgres } from '../test/support/databases/postgres.js';
import { startBenchServer } from './authorize.js';
import { prepareAccount, registerThings, tokensOf } from './fleet.js';
import { attacksOf, prepareHostile, type Attack } from './tenants-attacks.js';

const seconds = Number(process.env['TENANT_SECONDS'] ?? 10);
const askEveryMs = 5;
const things = 2000;

/** What the questions of one tenant wait while another one does its worst: each expensive call alone, and all at once. */
export async function benchTenants(): Promise<string> {
  // Everything but the server runs on the second core: what is measured is how the server shares out its own.
  execFileSync('taskset', ['-cp', '1', String(process.pid)], { stdio: 'ignore' });
  const postgres = await startPostgres({ fsync: false });
  const settings = {
    DATABASE_URL: await createDatabase(postgres, 'tenants'),
    THINGWARD_KEY: randomBytes(32).toString('base64'),
    THINGWARD_PUBLIC_URL: 'http://127.0.0.1:8080',
    LOG_LEVEL: 'warn',
  };
  const key = await prepareAccount(settings);
  await registerThings(settings.DATABASE_URL, 1, things);
  const warm = await tokensOf(settings, 1, 500);
  const server = await startBenchServer(settings);
  try {
    if (process.getuid?.() === 0) setPriority(-10);
    const owner = createClient(server.url, key);
    const made = await owner.post('/v1/accounts', { name: 'hostile' });
    if (made.status !== 201) throw new Error(made.text);
    const hostileKey = made.body.ownerKey as string;
    await prepareHostile(createClient(server.url, hostileKey));
    const bodies = warm.map(({ name, token, fingerprint }) =>
      JSON.stringify({
        principal: { token, fingerprint },
        action: 'publish',
        resource: `topic:default/${name}/telemetry/temp`,
      }),
    );
    const ask = () => waits(server.url, key, bodies);
    await ask();
    const attacks = attacksOf();
    const alone: number[] = [];
    const lines: string[] = [];
    for (const [name, attack] of [
      ...attacks.map((each) => [each.name, [each]] as const),
      ['all at once', attacks] as const,
    ]) {
      alone.push(p99(await ask()));
      const hostile = await startHostile(server.url, hostileKey, attack as Attack[]);
      const during = p99(await ask());
      lines.push(`| ${name} | ${during.toFixed(1)} ms | ${ratioTo(during, alone.at(-1)!)} | ${await hostile.stop()} |`);
      console.error(lines.at(-1));
      await settled(ask, alone[0]!);
    }
    const line = `| nothing | ${Math.min(...alone).toFixed(1)} to ${Math.max(...alone).toFixed(1)} ms | | |`;
    return [
      '| what the other tenant sends | p99 of authorize | of alone, just before | its answers a second |',
      '|---|---:|---:|---|',
      line,
      ...lines,
    ].join('\n');
  } finally {
    server.child.kill();
    await postgres.stop();
  }
}

const ratioTo = (during: number, alone: number): string => `${(during / alone).toFixed(1)} x`;

/** Waits until what was begun for the other tenant is done with. */
async function settled(ask: () => Promise<number[]>, usual: number): Promise<void> {
  for (let attempt = 0; attempt < 3 && p99(await ask()) > 2 * usual; attempt++);
}

function p99(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length * 0.99)]!;
}

/** Asks at fixed moments, whether or not the answers before have come, and returns how long each took from its moment. */
async function waits(url: string, key: string, bodies: string[]): Promise<number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const times: number[] = [];
  const pending: Promise<void>[] = [];
  const begun = performance.now();
  for (let n = 0; n < (seconds * 1000) / askEveryMs; n++) {
    const due = begun + n * askEveryMs;
    const early = due - performance.now();
    if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
    pending.push(
      askOnce(`${url}/v1/authorize`, { agent, headers }, bodies[n % bodies.length]!).then(
        () => void times.push(performance.now() - due),
      ),
    );
  }
  await Promise.all(pending);
  agent.destroy();
  return times;
}

/** Asks until there is an answer: what waits for a database that is busy waits, too. */
async function askOnce(url: string, options: object, body: string): Promise<void> {
  for (;;) {
    const text = await send(url, options, body);
    if (text.includes('"decision":"allow"')) return;
    if (!text.includes('problem:not-ready')) throw new Error(text);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function send(url: string, options: object, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { ...options, method: 'POST' }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      answer.on('end', () => resolve(text));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

async function startHostile(url: string, key: string, attacks: Attack[]): Promise<{ stop(): Promise<string> }> {
  const child: ChildProcess = fork(new URL('./tenants-hostile.mjs', import.meta.url), {
    serialization: 'advanced',
    execArgv: [],
  });
  child.send({ url, key, attacks });
  await once(child, 'message');
  return {
    async stop() {
      const said = once(child, 'message');
      child.send('stop');
      const [counts] = (await said) as [Record<string, number>];
      child.kill();
      return Object.entries(counts)
        .map(([status, count]) => `${status}: ${Math.round(count / seconds)}`)
        .join(', ');
    },
  };
}
