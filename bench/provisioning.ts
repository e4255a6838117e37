import { generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';
import http from 'node:http';
import { encodeCsr } from '../src/pki/csr-encode.js';
import { startProgram } from '../test/support/program.js';
import { createDatabase, startPostgres } from '../test/support/postgres.js';
import { cpuSeconds, rateSync, ratio, rounds, summarize, type Row } from './measure.js';

const devices = 4000;
const connections = 64;

/**
 * First boots over HTTP on PostgreSQL with fsync on, CSRs made beforehand, by the CPU time of the server
 * process alone, against the three signatures that each cannot do without.
 */
export async function benchProvisioning(): Promise<Row[]> {
  const postgres = await startPostgres({ fsync: true });
  const ownerKey = `twk_${randomBytes(32).toString('base64url')}`;
  const settings = {
    DATABASE_URL: await createDatabase(postgres, 'bench'),
    THINGWARD_KEY: randomBytes(32).toString('base64'),
    THINGWARD_OWNER_KEY: ownerKey,
  };
  const server = await startProgram(settings);
  try {
    const agent = new http.Agent({ keepAlive: true, maxSockets: connections });
    const { token } = await post(
      server.url,
      '/v1/enrollments',
      ownerKey,
      JSON.stringify({ thingNamePattern: '*', maxUses: 1_000_000 }),
      agent,
    );
    const perCpu: number[] = [];
    const perWall: number[] = [];
    const floors: number[] = [];
    for (let round = 0; round <= rounds; round++) {
      const bodies = makeBodies(round);
      const floor = await cryptoFloor();
      const cpu = cpuSeconds(server.process.pid!);
      const start = performance.now();
      await provisionAll(server.url, token as string, bodies, agent);
      if (round === 0) continue; // warm-up
      perCpu.push(devices / (cpuSeconds(server.process.pid!) - cpu));
      perWall.push((devices * 1000) / (performance.now() - start));
      floors.push(floor);
    }
    agent.destroy();
    const [floor, ours, wall] = [summarize(floors), summarize(perCpu), summarize(perWall)];
    return [
      {
        what: 'crypto floor of a provision: CSR verify, certificate sign, token sign',
        perSecond: floor.median,
        spread: floor.spread,
      },
      {
        what: `provisions per CPU second of the server (HTTP, PostgreSQL with fsync, ${connections} connections)`,
        perSecond: ours.median,
        spread: ours.spread,
        ratio: ratio(ours.median, floor.median),
        against: 'crypto floor',
      },
      {
        what: 'the same per second of wall time, client and database on the same two cores',
        perSecond: wall.median,
        spread: wall.spread,
      },
    ];
  } finally {
    await server.kill();
    await postgres.stop();
  }
}

function makeBodies(round: number): string[] {
  return Array.from({ length: devices }, (_, n) => {
    const csr = encodeCsr(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
    return JSON.stringify({ thingName: `bench-${round}-${n}`, csr });
  });
}

function cryptoFloor(): Promise<number> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const message = Buffer.alloc(500, 7);
  const signature = sign('sha256', message, privateKey);
  return rateSync(() => {
    verify('sha256', message, publicKey, signature);
    sign('sha256', message, privateKey);
    sign('sha256', message, { key: privateKey, dsaEncoding: 'ieee-p1363' });
  });
}

async function provisionAll(url: string, token: string, bodies: string[], agent: http.Agent): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let at = next++; at < bodies.length; at = next++) await post(url, '/v1/provision', token, bodies[at]!, agent);
  };
  await Promise.all(Array.from({ length: connections }, worker));
}

function post(
  url: string,
  path: string,
  token: string,
  body: string,
  agent: http.Agent,
): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    };
    const request = http.request(`${url}${path}`, { method: 'POST', agent, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        if (response.statusCode === 201) resolve(JSON.parse(text) as Record<string, unknown>);
        else reject(new Error(`${response.statusCode}: ${text}`));
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}
