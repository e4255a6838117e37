import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createDatabase, startPostgres } from '../test/support/databases/postgres.js';
import { startBenchServer, topicOf, withToken, type Server } from './authorize.js';
import { prepareAccount, registerThings, tokensOf, type Known } from './fleet.js';
import { summarize } from './measure.js';
import { startOpa, type Peer } from './servers.js';
import { streamLoad } from './stream-load.js';
import { load } from './wrk.js';

const turns = Number(process.env['WIRE_TURNS'] ?? 5);
const seconds = Number(process.env['WIRE_SECONDS'] ?? 1);
const things = 1000;
const batch = 100;
const onStream = 500;

type Contender = { name: string; measure(): Promise<number> };

/**
 * Decisions for each CPU second of the server, in turn: of this checkout and of another one that is built,
 * `BEFORE=<folder> npm run bench -- wire`, and of OPA given as many questions in one request.
 */
export async function benchWire(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'thingward-wire-'));
  const postgres = await startPostgres({ fsync: false });
  const children: { kill(signal: 'SIGKILL'): unknown }[] = [];
  try {
    const settings = {
      DATABASE_URL: await createDatabase(postgres, 'wire'),
      THINGWARD_KEY: randomBytes(32).toString('base64'),
      THINGWARD_PUBLIC_URL: 'http://127.0.0.1:8080',
      LOG_LEVEL: 'warn',
    };
    const key = await prepareAccount(settings);
    await registerThings(settings.DATABASE_URL, 1, things);
    const known = await tokensOf(settings, 1, things);
    const before = process.env['BEFORE'];
    const sides = { ...(before === undefined ? {} : { before: resolve(before) }), now: process.cwd() };
    const contenders: Contender[] = [];
    for (const [side, path] of Object.entries(sides)) {
      const server = await startBenchServer(settings, path);
      children.push(server.child);
      contenders.push(...contendersOf(side, server, key, known));
    }
    const opa = await startOpa(folder);
    children.push(opa.child);
    contenders.push(ofOpa(opa, known));
    return await measureAll(contenders);
  } finally {
    for (const child of children) child.kill('SIGKILL');
    await postgres.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measureAll(contenders: Contender[]): Promise<string> {
  const chosen = contenders.filter(({ name }) => name.includes(process.env['WIRE_ONLY'] ?? ''));
  for (const { measure } of chosen) await measure();
  const rates = new Map<string, number[]>(chosen.map(({ name }) => [name, []]));
  for (let turn = 0; turn < turns; turn++)
    for (const { name, measure } of chosen) rates.get(name)!.push(await measure());
  const lines = [...rates].map(([name, values]) => {
    const { median, spread } = summarize(values);
    return `| ${name} | ${Math.round(median).toLocaleString('en')} | ${spread} |`;
  });
  return ['| decisions for each CPU second of the server | median | spread |', '|---|---:|---|', ...lines].join('\n');
}

function contendersOf(side: string, { url, child }: Server, key: string, known: Known[]): Contender[] {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const pid = child.pid!;
  const ask = async (path: string, bodies: object[]): Promise<number> => {
    const texts = bodies.map((body) => JSON.stringify(body));
    // Whoever is asked about is remembered for a minute.
    await load(`${url}${path}`, pid, texts, 1, headers);
    const { perCpuSecond, errors } = await load(`${url}${path}`, pid, texts, seconds, headers);
    if (errors > 0) throw new Error(`${path}: ${errors} requests were not answered with 200`);
    return perCpuSecond;
  };
  const batches = (question: (known: Known) => object): object[] =>
    Array.from({ length: things / batch }, (_, n) => ({
      requests: known.slice(n * batch, (n + 1) * batch).map(question),
    }));
  const asBatch = async (question: (known: Known) => object) =>
    batch * (await ask('/v1/authorize/batch', batches(question)));
  const asStream = async (question: (known: Known) => object): Promise<number> => {
    const { perCpuSecond, last } = await streamLoad(
      `${url}/v1/authorize/stream`,
      pid,
      key,
      known.map(question),
      seconds,
    );
    if (!last.includes('"decision":"allow"')) throw new Error(`the stream answers ${last}`);
    return perCpuSecond;
  };
  return [
    { name: `${side}: batch of ${batch} by fingerprint`, measure: () => asBatch(byFingerprint) },
    { name: `${side}: batch of ${batch} by token`, measure: () => asBatch(withToken) },
    { name: `${side}: one by token`, measure: () => ask('/v1/authorize', known.map(withToken)) },
    { name: `${side}: one, constant reply`, measure: () => ask('/bench/constant', known.map(withToken)) },
    { name: `${side}: stream by fingerprint`, measure: () => asStream(byFingerprint) },
    { name: `${side}: stream by name`, measure: () => asStream(byName) },
    { name: `${side}: stream by token`, measure: () => asStream(withToken) },
  ];
}

const byFingerprint = ({ name, fingerprint }: Known): object => ({
  principal: { fingerprint },
  action: 'publish',
  resource: topicOf(name),
});

const byName = ({ name }: Known): object => ({
  principal: { thingName: name },
  action: 'publish',
  resource: topicOf(name),
});

/** As many questions as are on the way on a stream, in an array. */
function ofOpa({ url, child, headers }: Peer, known: Known[]): Contender {
  const questions = known.slice(0, onStream).map(({ name }) => ({
    account: 'default',
    thing: name,
    action: 'publish',
    topic: topicOf(name).slice('topic:'.length),
  }));
  const body = JSON.stringify({ input: { questions } });
  const measure = async (): Promise<number> => {
    const { perCpuSecond, errors } = await load(
      url.replace(/allow$/, 'answers'),
      child.pid!,
      [body],
      seconds,
      headers,
      'true,true',
    );
    if (errors > 0) throw new Error('OPA failed');
    return onStream * perCpuSecond;
  };
  return { name: `OPA, array of ${onStream} in one request`, measure };
}
