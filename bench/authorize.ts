import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { freePort } from '../test/support/ports.js';
import { createDatabase, startPostgres } from '../test/support/databases/postgres.js';
import { prepareAccount, registerThings, tokensOf, type Known } from './fleet.js';
import { format, summarize } from './measure.js';
import { load, type Load } from './wrk.js';

const turns = 3;
const seconds = 5;
const warmTokens = 20_000;
const coldTokens = 12_000;
const sizes = [1000, 100_000, 1_000_000];

export type Server = { url: string; child: ChildProcess };

/** `POST /v1/authorize` at growing numbers of registered things, against the same route with a constant reply. */
export async function benchAuthorize(): Promise<string> {
  const postgres = await startPostgres({ fsync: false });
  try {
    const settings = {
      DATABASE_URL: await createDatabase(postgres, 'authorize'),
      THINGWARD_KEY: randomBytes(32).toString('base64'),
      THINGWARD_TOKEN_CACHE: '50000',
      THINGWARD_PUBLIC_URL: 'http://127.0.0.1:8080',
      LOG_LEVEL: 'warn',
    };
    const key = await prepareAccount(settings);
    const lines: string[] = [];
    let registered = 0;
    for (const size of sizes) {
      await registerThings(settings.DATABASE_URL, registered + 1, size);
      registered = size;
      lines.push(...(await measureAt(size, settings, key)));
    }
    return [
      '| authorize over HTTP | per second | per CPU second | p99 | against |',
      '|---|---:|---:|---:|---|',
      ...lines,
    ].join('\n');
  } finally {
    await postgres.stop();
  }
}

async function measureAt(size: number, settings: Record<string, string>, key: string): Promise<string[]> {
  const warm = await tokensOf(settings, 1, Math.min(size, warmTokens));
  const server = await startBenchServer(settings);
  try {
    const ask = (path: string, bodies: string[], duration = seconds) =>
      load(`${server.url}${path}`, server.child.pid!, bodies, duration, {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
      });
    const single = warm.map((known) => JSON.stringify(withToken(known)));
    for (const path of ['/v1/authorize', '/bench/constant']) await ask(path, single, 3);
    const [real, constant] = await alternately([
      () => ask('/v1/authorize', single),
      () => ask('/bench/constant', single),
    ]);
    const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.child.pid}/status`, 'utf8'))![1]) / 1024;
    const things = size.toLocaleString('en');
    const lines = [
      row(`${things} things: same route, constant reply`, constant!, ''),
      row(
        `${things} things: token and fingerprint, ${warm.length.toLocaleString('en')} tokens in turn, warm; RSS ${Math.round(rss)} MB`,
        real!,
        against(real!, constant!, 'constant'),
      ),
    ];
    if (size < sizes.at(-1)!) return lines;
    return [...lines, ...(await measureForms(ask, warm)), ...(await measureCold(ask, settings))];
  } finally {
    server.child.kill();
  }
}

type Ask = (path: string, bodies: string[], duration?: number) => Promise<Load>;

/** Batches of 100, by each form of principal. */
async function measureForms(ask: Ask, warm: Known[]): Promise<string[]> {
  const batches = (question: (known: Known) => object) =>
    Array.from({ length: 50 }, (_, n) =>
      JSON.stringify({ requests: warm.slice(n * 100, n * 100 + 100).map(question) }),
    );
  const forms: [string, (known: Known) => object][] = [
    ['token and fingerprint', withToken],
    [
      'fingerprint',
      ({ name, fingerprint }) => ({ principal: { fingerprint }, action: 'publish', resource: topicOf(name) }),
    ],
    ['name', ({ name }) => ({ principal: { thingName: name }, action: 'publish', resource: topicOf(name) })],
  ];
  const lines: string[] = [];
  for (const [name, question] of forms) {
    const bodies = batches(question);
    await ask('/v1/authorize/batch', bodies, 3);
    const [measured] = await alternately([() => ask('/v1/authorize/batch', bodies)]);
    const { perSecond, perCpuSecond } = measured!;
    lines.push(
      `| batch of 100 by ${name}, decisions | ${format(perSecond * 100)} | ${format(perCpuSecond * 100)} | ${measured!.p99Ms.toFixed(1)} ms | |`,
    );
  }
  return lines;
}

/** Every token once: each has to be verified. */
async function measureCold(ask: Ask, settings: Record<string, string>): Promise<string[]> {
  const fresh = await tokensOf(settings, warmTokens + 1, warmTokens + 2 * coldTokens);
  const bodies = fresh.map((known) => JSON.stringify(withToken(known)));
  const verify = await ask('/bench/verify', bodies.slice(0, coldTokens), 1);
  const cold = await ask('/v1/authorize', bodies.slice(coldTokens), 1);
  return [
    row('same route, constant reply after one verification', verify, ''),
    row('tokens never seen before, each verified', cold, against(cold, verify, 'constant after one verification')),
  ];
}

export const topicOf = (name: string) => `topic:default/${name}/telemetry/temp`;

/** A question by token and certificate, in a context. */
export function withToken({ name, token, fingerprint }: Known) {
  return {
    principal: { token, fingerprint },
    action: 'publish',
    resource: topicOf(name),
    context: { sourceIp: '10.1.2.3', protocol: 'mqtts' },
  };
}

async function alternately(contenders: (() => Promise<Load>)[]): Promise<Load[]> {
  const runs: Load[][] = contenders.map(() => []);
  for (let turn = 0; turn < turns; turn++)
    for (const [n, contender] of contenders.entries()) runs[n]!.push(await contender());
  return runs.map((loads) => ({
    perSecond: summarize(loads.map(({ perSecond }) => perSecond)).median,
    perCpuSecond: summarize(loads.map(({ perCpuSecond }) => perCpuSecond)).median,
    p99Ms: summarize(loads.map(({ p99Ms }) => p99Ms)).median,
    errors: loads.reduce((sum, { errors }) => sum + errors, 0),
  }));
}

function row(what: string, { perSecond, perCpuSecond, p99Ms, errors }: Load, ratio: string): string {
  if (errors > 0) throw new Error(`${what}: ${errors} requests were not answered with 200`);
  return `| ${what} | ${format(perSecond)} | ${format(perCpuSecond)} | ${p99Ms.toFixed(2)} ms | ${ratio} |`;
}

function against(real: Load, floor: Load, name: string): string {
  return `${(real.perSecond / floor.perSecond).toFixed(2)} of ${name}, p99 ${(real.p99Ms / floor.p99Ms).toFixed(2)} x`;
}

/** The server of bench/authorize-server.mjs, on the first core: of this checkout, or of another folder. */
export async function startBenchServer(settings: Record<string, string>, folder = '.'): Promise<Server> {
  const port = await freePort();
  const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], ...settings, THINGWARD_PORT: String(port) };
  const child = spawn(
    'taskset',
    ['-c', '0', process.execPath, '--max-semi-space-size=16', 'bench/authorize-server.mjs'],
    {
      env,
      cwd: folder,
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', () => resolve());
    child.on('exit', () => reject(new Error('the server ended')));
  });
  return { url: `http://127.0.0.1:${port}`, child };
}
