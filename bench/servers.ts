import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../test/support/ports.js';
import { createDatabase, startPostgres } from '../test/support/databases/postgres.js';
import { startBenchServer } from './authorize.js';
import { prepareAccount, registerThings } from './fleet.js';
import { format, summarize } from './measure.js';
import { cerbosProgram, opaProgram, opaVersion } from './peers.js';
import { load } from './wrk.js';

const things = 1000;
const turns = 3;
const seconds = 5;

/** A server that decides, and how it is asked. */
export type Peer = {
  name: string;
  child: ChildProcess;
  url: string;
  headers: Record<string, string>;
  body(question: Question): object;
  isAllowed(answer: unknown): boolean;
};

export type Question = { thing: string; topic: string; allowed: boolean };

/** May a thing publish to its own telemetry topics, and to no other's? Half of the questions are denied. */
export const questions: Question[] = Array.from({ length: 200 }, (_, n) => {
  const [thing, other] = [`thing-${((n * 7) % things) + 1}`, `thing-${((n * 11) % things) + 1}-other`];
  return n % 2 === 0
    ? { thing, topic: `default/${thing}/telemetry/temp`, allowed: true }
    : { thing, topic: `default/${other}/telemetry/temp`, allowed: false };
});

/** Requests for each CPU second of the server, ours and two that others run. */
export async function benchServers(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'thingward-peers-'));
  const postgres = await startPostgres({ fsync: false });
  const peers: Peer[] = [];
  try {
    peers.push(
      await startOurs(await createDatabase(postgres, 'servers')),
      await startCerbos(folder),
      await startOpa(folder),
    );
    for (const peer of peers) await checkAnswers(peer);
    const rates = new Map<string, number[]>(peers.map(({ name }) => [name, []]));
    for (const peer of peers) await measure(peer);
    for (let turn = 0; turn < turns; turn++) {
      for (const peer of peers) rates.get(peer.name)!.push(await measure(peer));
    }
    return table(rates);
  } finally {
    for (const { child } of peers) child.kill('SIGKILL');
    await postgres.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function table(rates: Map<string, number[]>): string {
  const rows = [...rates].map(([name, values]) => ({ name, ...summarize(values) }));
  const [ours] = rows as [(typeof rows)[0]];
  const lines = rows.map(
    ({ name, median, spread }) =>
      `| ${name} | ${format(median)} | ${spread} | ${(ours.median / median).toFixed(2)} x |`,
  );
  return [
    '| one decision over HTTP | per CPU second (median) | spread | ours is |',
    '|---|---:|---|---:|',
    ...lines,
  ].join('\n');
}

async function measure({ name, url, child, headers, body }: Peer): Promise<number> {
  const bodies = questions.map((question) => JSON.stringify(body(question)));
  const { perCpuSecond, errors } = await load(url, child.pid!, bodies, seconds, headers);
  if (errors > 0) throw new Error(`${name}: ${errors} requests failed`);
  return perCpuSecond;
}

/** @throws Error for an answer that is wrong */
export async function checkAnswers({ name, url, headers, body, isAllowed }: Omit<Peer, 'child'>): Promise<void> {
  for (const question of questions) {
    const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body(question)) });
    const answer: unknown = await response.json();
    if (isAllowed(answer) !== question.allowed)
      throw new Error(`${name} answers wrongly: ${JSON.stringify({ question, answer })}`);
  }
}

const json = { 'content-type': 'application/json' };

async function startOurs(databaseUrl: string): Promise<Peer> {
  const settings = { DATABASE_URL: databaseUrl, THINGWARD_KEY: randomBytes(32).toString('base64'), LOG_LEVEL: 'warn' };
  const key = await prepareAccount(settings);
  await registerThings(databaseUrl, 1, things);
  const { url, child } = await startBenchServer(settings);
  return {
    name: 'ours: caller checked, sample recorded, by name of the thing',
    child,
    url: `${url}/v1/authorize`,
    headers: { ...json, authorization: `Bearer ${key}` },
    body: ({ thing, topic }) => ({ principal: { thingName: thing }, action: 'publish', resource: `topic:${topic}` }),
    isAllowed: (answer) => (answer as { decision: string }).decision === 'allow',
  };
}

const cerbosPolicy = `apiVersion: api.cerbos.dev/v1
resourcePolicy:
  version: default
  resource: topic
  rules:
    - actions: [publish]
      effect: EFFECT_ALLOW
      roles: [thing]
      condition:
        match:
          expr: R.attr.topic.startsWith(P.attr.account + "/" + P.id + "/telemetry/")
`;

/** Cerbos, with a policy for these questions. */
export async function startCerbos(folder: string): Promise<Peer> {
  const [http, grpc] = [await freePort(), await freePort()];
  mkdirSync(join(folder, 'cerbos'));
  writeFileSync(join(folder, 'cerbos', 'topic.yaml'), cerbosPolicy);
  const config = `server: { httpListenAddr: "127.0.0.1:${http}", grpcListenAddr: "127.0.0.1:${grpc}" }
telemetry: { disabled: true }
storage: { driver: disk, disk: { directory: "${join(folder, 'cerbos')}", watchForChanges: false } }
`;
  writeFileSync(join(folder, 'cerbos.yaml'), config);
  const child = spawnPinned(cerbosProgram(), [
    'server',
    `--config=${join(folder, 'cerbos.yaml')}`,
    '--log-level=error',
  ]);
  const base = `http://127.0.0.1:${http}`;
  await answering(`${base}/_cerbos/health`);
  return {
    name: 'Cerbos 0.55.0, no caller check, no decision log',
    child,
    url: `${base}/api/check/resources`,
    headers: json,
    body: ({ thing, topic }) => ({
      principal: { id: thing, roles: ['thing'], attr: { account: 'default' } },
      resources: [{ resource: { kind: 'topic', id: 'any', attr: { topic } }, actions: ['publish'] }],
    }),
    isAllowed: (answer) =>
      (answer as { results: { actions: { publish: string } }[] }).results[0]!.actions.publish === 'EFFECT_ALLOW',
  };
}

export const rego = `package thingward
default allow := false
allow if is_allowed(input)
is_allowed(asked) if { asked.action == "publish"; startswith(asked.topic, concat("/", [asked.account, asked.thing, "telemetry", ""])) }
answer(asked) := true if is_allowed(asked)
answer(asked) := false if not is_allowed(asked)
answers := [answer(asked) | some asked in input.questions]
`;

/** OPA, with the same. */
export async function startOpa(folder: string): Promise<Peer> {
  const port = await freePort();
  writeFileSync(join(folder, 'policy.rego'), rego);
  const child = spawnPinned(opaProgram, [
    'run',
    '--server',
    '--addr',
    `127.0.0.1:${port}`,
    '--log-level',
    'error',
    '--disable-telemetry',
    join(folder, 'policy.rego'),
  ]);
  const base = `http://127.0.0.1:${port}`;
  await answering(`${base}/health`);
  return {
    name: `OPA ${opaVersion}, no caller check, no decision log`,
    child,
    url: `${base}/v1/data/thingward/allow`,
    headers: json,
    body: ({ thing, topic }) => ({ input: { account: 'default', thing, action: 'publish', topic } }),
    isAllowed: (answer) => (answer as { result: boolean }).result,
  };
}

function spawnPinned(program: string, args: string[]): ChildProcess {
  const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], GOMAXPROCS: '1' };
  return spawn('taskset', ['-c', '0', program, ...args], { env, stdio: 'ignore' });
}

async function answering(url: string): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if ((await fetch(url).catch(() => undefined))?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${url} does not answer`);
}
