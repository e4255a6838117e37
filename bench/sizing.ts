import { generateKeyPairSync, randomBytes } from 'node:crypto';
import pg from 'pg';
import { encodeCsr } from '../src/pki/csr/encode.js';
import { startProgram } from '../test/support/program.js';
import { createDatabase, startPostgres } from '../test/support/databases/postgres.js';

const devices = 4000;
const revoked = 1000;
const connections = 32;

/** What a device and a revocation add to the database: rows and indexes of every table. */
export async function benchSizing(): Promise<string> {
  const postgres = await startPostgres();
  const ownerKey = `twk_${randomBytes(32).toString('base64url')}`;
  const url = await createDatabase(postgres, 'sizing');
  const settings = {
    DATABASE_URL: url,
    THINGWARD_KEY: randomBytes(32).toString('base64'),
    THINGWARD_OWNER_KEY: ownerKey,
  };
  const server = await startProgram(settings);
  const database = new pg.Client({ connectionString: url });
  await database.connect();
  const post = async (path: string, credential: string, body: object): Promise<any> => {
    const headers = { authorization: `Bearer ${credential}`, 'content-type': 'application/json' };
    const answer = await fetch(`${server.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };
  try {
    const { token } = await post('/v1/enrollments', ownerKey, { thingNamePattern: '*', maxUses: devices });
    const empty = await sizesOf(database);
    const serials = await inParallel(devices, async (n) => {
      const csr = encodeCsr(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
      return (await post('/v1/provision', token, { thingName: `device-${n}`, csr })).certificate.serialNumber;
    });
    const full = await sizesOf(database);
    await inParallel(revoked, (n) =>
      post(`/v1/certificates/${serials[n]}/revoke`, ownerKey, { reason: 'cessationOfOperation' }),
    );
    const after = await sizesOf(database);
    return [
      '| table | octets for each device | octets more for each revocation |',
      '|---|---:|---:|',
      ...[...full.keys()]
        .map((name) => [name, grown(empty, full, name, devices), grown(full, after, name, revoked)] as const)
        .filter(([, device, revocation]) => device > 20 || revocation > 20)
        .map(([name, device, revocation]) => `| ${name} | ${device} | ${revocation} |`),
    ].join('\n');
  } finally {
    await database.end();
    await server.kill();
    await postgres.stop();
  }
}

type Sizes = Map<string, number>;

function grown(before: Sizes, after: Sizes, name: string, by: number): number {
  return Math.round((after.get(name)! - (before.get(name) ?? 0)) / by);
}

/** Tables with their indexes, after what is dead was given back. */
async function sizesOf(database: pg.Client): Promise<Sizes> {
  await database.query('VACUUM FULL');
  const { rows } = await database.query<{ name: string; size: string }>(
    `SELECT relname AS name, pg_total_relation_size(oid) AS size FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`,
  );
  return new Map(rows.map(({ name, size }) => [name, Number(size)]));
}

async function inParallel<Result>(count: number, work: (n: number) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let n = next++; n < count; n = next++) results[n] = await work(n);
  };
  await Promise.all(Array.from({ length: connections }, worker));
  return results;
}
