import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { Agent, request } from 'node:http';
import { resolve } from 'node:path';
import { encodeCsr } from '../src/pki/csr/encode.js';
import { createDatabase, startPostgres, type PostgresServer } from '../test/support/databases/postgres.js';
import { startProgram } from '../test/support/program.js';
import { cpuSeconds } from './measure.js';
import { load } from './wrk.js';

const pairs = Number(process.env['PAIRS'] ?? 15);
const devices = 1500;
const connections = 32;
const limits = { THINGWARD_WRITES_PER_SECOND: '1000000', THINGWARD_READS_PER_SECOND: '1000000' };

type Measured = Record<'engine' | 'authorize' | 'provisioning' | 'revocation', number>;

/**
 * Two checkouts, both built, one after the other and the other way round: `BEFORE=<folder> npm run bench -- pairs`.
 * Each measurement is of a fresh process; the ratio is of costs, so that more than 1 is slower.
 */
export async function benchPairs(): Promise<string> {
  const before = process.env['BEFORE'];
  if (before === undefined) throw new Error('set BEFORE to the folder of another checkout, built by npm run build');
  const folders = [resolve(before), process.cwd()];
  const postgres = await startPostgres({ fsync: false });
  const measured: [Measured[], Measured[]] = [[], []];
  const bodies = makeBodies();
  try {
    for (let pair = 0; pair < pairs; pair++) {
      for (const side of pair % 2 === 0 ? [0, 1] : [1, 0])
        measured[side]!.push(await measure(folders[side]!, postgres, `pairs_${pair}_${side}`, bodies));
      console.error(`pair ${pair + 1} of ${pairs}`);
    }
  } finally {
    await postgres.stop();
  }
  const rows = Object.keys(measured[0][0]!).map((name) => row(name as keyof Measured, measured));
  return [
    '| what, per CPU second | before (median) | after (median) | cost after / before | 95 % interval |',
    '|---|---:|---:|---:|---|',
    ...rows,
  ].join('\n');
}

async function measure(folder: string, postgres: PostgresServer, name: string, bodies: string[]): Promise<Measured> {
  const engine = Number(
    execFileSync('taskset', ['-c', '0', process.execPath, resolve('bench/pairs-engine.mjs'), folder]),
  );
  const ownerKey = `twk_${randomBytes(32).toString('base64url')}`;
  const server = await startProgram(
    {
      ...limits,
      DATABASE_URL: await createDatabase(postgres, name),
      THINGWARD_KEY: randomBytes(32).toString('base64'),
      THINGWARD_OWNER_KEY: ownerKey,
    },
    folder,
  );
  try {
    const { pid } = server.process;
    const agent = new Agent({ keepAlive: true, maxSockets: connections });
    const post = (path: string, token: string, body: string) => send(`${server.url}${path}`, token, body, agent);
    const { token } = await post('/v1/enrollments', ownerKey, '{"thingNamePattern":"*","maxUses":1000000}');
    const perCpu = async (count: number, work: (n: number) => Promise<unknown>): Promise<number> => {
      const used = cpuSeconds(pid!);
      await inParallel(count, work);
      return count / (cpuSeconds(pid!) - used);
    };
    const made: Record<string, any>[] = [];
    const provisioning = await perCpu(
      devices,
      async (n) => void (made[n] = await post('/v1/provision', token, bodies[n]!)),
    );
    const questions = made.map(({ thing, token, certificate }) =>
      JSON.stringify({
        principal: { token: token.accessToken, fingerprint: certificate.fingerprint },
        action: 'publish',
        resource: `topic:default/${thing.name}/telemetry/temp`,
      }),
    );
    const headers = { authorization: `Bearer ${ownerKey}`, 'content-type': 'application/json' };
    const ask = (seconds: number) => load(`${server.url}/v1/authorize`, pid!, questions, seconds, headers);
    await ask(1);
    const { perCpuSecond: authorize } = await ask(3);
    const revocation = await perCpu(devices, (n) =>
      post(`/v1/certificates/${made[n]!['certificate'].serialNumber}/revoke`, ownerKey, '{"reason":"keyCompromise"}'),
    );
    agent.destroy();
    return { engine, authorize, provisioning, revocation };
  } finally {
    await server.kill();
  }
}

const makeBodies = (): string[] =>
  Array.from({ length: devices }, (_, n) => {
    const csr = encodeCsr(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
    return JSON.stringify({ thingName: `bench-${n}`, csr });
  });

async function inParallel(count: number, work: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let n = next++; n < count; n = next++) await work(n);
  };
  await Promise.all(Array.from({ length: connections }, worker));
}

function send(url: string, token: string, body: string, agent: Agent): Promise<Record<string, any>> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const sent = request(url, { method: 'POST', agent, headers }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        if (answer.statusCode! < 300) resolve(JSON.parse(text) as Record<string, any>);
        else reject(new Error(`${answer.statusCode}: ${text}`));
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

// Student's t for 95 %, two-sided, by degrees of freedom: 14 and more.
const t = (freedom: number): number => (freedom < 20 ? 2.145 : freedom < 30 ? 2.086 : 2.042);

function row(name: keyof Measured, [before, after]: [Measured[], Measured[]]): string {
  const logs = before.map((each, n) => Math.log(each[name] / after[n]![name]));
  const mean = logs.reduce((sum, log) => sum + log, 0) / logs.length;
  const variance = logs.reduce((sum, log) => sum + (log - mean) ** 2, 0) / (logs.length - 1);
  const half = t(logs.length - 1) * Math.sqrt(variance / logs.length);
  const say = (log: number) => Math.exp(log).toFixed(3);
  const median = (values: Measured[]) =>
    Math.round(values.map((each) => each[name]).sort((a, b) => a - b)[values.length >> 1]!);
  return `| ${name} | ${median(before).toLocaleString('en')} | ${median(after).toLocaleString('en')} | ${say(mean)} | ${say(mean - half)} to ${say(mean + half)} |`;
}
