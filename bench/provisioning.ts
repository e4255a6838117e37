import { spawn } from 'node:child_process';
import { createPublicKey, generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { encodeCsr } from '../src/pki/csr/encode.js';
import { startProgram } from '../test/support/program.js';
import { createDatabase, startPostgres } from '../test/support/databases/postgres.js';
import { cpuSeconds, rateSync, ratio, rounds, summarize, type Row } from './measure.js';

type Summary = ReturnType<typeof summarize>;

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
    const busyFloors: number[] = [];
    for (let round = 0; round <= rounds; round++) {
      const bodies = makeBodies(round);
      const [floor, busyFloor] = [await cryptoFloor(), await cryptoFloorBeside()];
      const cpu = cpuSeconds(server.process.pid!);
      const start = performance.now();
      await provisionAll(server.url, token as string, bodies, agent);
      if (round === 0) continue; // warm-up
      perCpu.push(devices / (cpuSeconds(server.process.pid!) - cpu));
      perWall.push((devices * 1000) / (performance.now() - start));
      floors.push(floor);
      busyFloors.push(busyFloor);
    }
    agent.destroy();
    const [floor, busyFloor, ours, wall] = [floors, busyFloors, perCpu, perWall].map(summarize) as [
      Summary,
      Summary,
      Summary,
      Summary,
    ];
    const row = (what: string, { median, spread }: Summary): Row => ({ what, perSecond: median, spread });
    return [
      row('crypto floor: import and check the CSR key, sign certificate, sign token; other core idle', floor),
      row('the same floor with the other core busy, as it is below', busyFloor),
      {
        ...row(
          `provisions per CPU second of the server (HTTP, PostgreSQL with fsync, ${connections} connections)`,
          ours,
        ),
        ratio: ratio(ours.median, busyFloor.median),
        against: `busy floor (${ratio(ours.median, floor.median)} of the idle one)`,
      },
      row('the same per second of wall time, client and database on the same two cores', wall),
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

/** What a provision cannot do without: the CSR's key imported and its signature checked, a certificate and a token signed. */
function cryptoFloor(): Promise<number> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = createPublicKey(privateKey).export({ format: 'jwk' });
  const message = Buffer.alloc(500, 7);
  const signature = sign('sha256', message, privateKey);
  return rateSync(() => {
    verify('sha256', message, createPublicKey({ key: jwk, format: 'jwk' }), signature);
    sign('sha256', message, privateKey);
    sign('sha256', message, { key: privateKey, dsaEncoding: 'ieee-p1363' });
  });
}

/** The same while the other core works, as it does while devices are provisioned: two cores here may share one's silicon. */
async function cryptoFloorBeside(): Promise<number> {
  const busy = spawn(
    process.execPath,
    ['-e', "const { hash } = require('node:crypto'); const b = Buffer.alloc(4096); for (;;) hash('sha256', b);"],
    { stdio: 'ignore' },
  );
  await once(busy, 'spawn');
  const floor = await cryptoFloor();
  const ended = once(busy, 'exit');
  busy.kill('SIGKILL');
  await ended;
  return floor;
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
