import { spawn } from 'node:child_process';
import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as der from '../src/pki/der.js';
import { extension } from '../src/pki/issuer.js';
import { oids } from '../src/pki/oid.js';
import { createClient } from '../test/support/client.js';
import { csrPem } from '../test/support/pki/csr.js';
import { freePort } from '../test/support/ports.js';
import { createDatabase, startPostgres } from '../test/support/databases/postgres.js';
import { startBenchServer } from './authorize.js';
import { prepareAccount } from './fleet.js';
import { cpuSeconds, format } from './measure.js';
import { createOpensslCa } from './openssl.js';

const devices = 500;
const turns = 3;
const seconds = 4;

type Load = { perSecond: number; perCpuSecond: number };

/** OCSP by GET: from the cache, signed for every request, the same route with a constant answer, and openssl's responder. */
export async function benchOcsp(): Promise<string> {
  const postgres = await startPostgres({ fsync: false });
  const folder = mkdtempSync(join(tmpdir(), 'thingward-ocsp-'));
  const settings = {
    DATABASE_URL: await createDatabase(postgres, 'ocsp'),
    THINGWARD_KEY: randomBytes(32).toString('base64'),
    LOG_LEVEL: 'warn',
  };
  const ownerKey = await prepareAccount(settings);
  const server = await startBenchServer(settings);
  const peerPort = await freePort();
  try {
    const owner = createClient(server.url, ownerKey);
    const { token } = (await owner.post('/v1/enrollments', { thingNamePattern: '*', maxUses: 10_000 })).body;
    const agent = createClient(server.url, token as string);
    const certIds: Buffer[] = [];
    const serials: string[] = [];
    let chainPem = '';
    for (let n = 0; n < devices; n++) {
      const { body } = await agent.post('/v1/provision', { thingName: `o-${n}`, csr: csrPem() });
      chainPem = body.certificate.chainPem as string;
      serials.push(body.certificate.serialNumber as string);
      certIds.push(certIdOf(body.certificate.serialNumber as string, chainPem));
    }
    const cached = certIds.map((certId) => pathOf(request(certId)));
    const signed = Array.from({ length: 20_000 }, (_, n) => pathOf(request(certIds[n % devices]!, randomBytes(16))));
    const ask = (name: string, prefix: string, paths: string[], pid: number, connections: number) =>
      getLoad(folder, name, prefix, paths, pid, connections);
    const openssl = startOpenssl(folder, peerPort, serials);
    const contenders = {
      'same route, constant answer': () => ask('constant', `${server.url}/bench/ocsp/`, cached, server.child.pid!, 32),
      'from the cache, 500 devices': () => ask('cached', `${server.url}/ocsp/`, cached, server.child.pid!, 32),
      'with a nonce, signed on demand': () => ask('signed', `${server.url}/ocsp/`, signed, server.child.pid!, 32),
      'openssl ocsp': () => askOneByOne(peerPort, cached, openssl.pid!),
    };
    const results = new Map<string, Load[]>(Object.keys(contenders).map((name) => [name, []]));
    // The first turn warms up.
    for (const run of Object.values(contenders)) await run();
    for (let turn = 0; turn < turns; turn++)
      for (const [name, run] of Object.entries(contenders)) results.get(name)!.push(await run());
    openssl.kill();
    const median = (name: string): Load => [...results.get(name)!].sort((a, b) => a.perCpuSecond - b.perCpuSecond)[1]!;
    const constant = median('same route, constant answer');
    const lines = Object.keys(contenders).map((name) => {
      const { perSecond, perCpuSecond } = median(name);
      return `| ${name} | ${format(perSecond)} | ${format(perCpuSecond)} | ${(perCpuSecond / constant.perCpuSecond).toFixed(2)} |`;
    });
    return [
      '| OCSP by GET | per second | per CPU second | of the constant answer |',
      '|---|---:|---:|---:|',
      ...lines,
    ].join('\n');
  } finally {
    server.child.kill();
    await postgres.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function getLoad(
  folder: string,
  name: string,
  prefix: string,
  paths: string[],
  pid: number,
  connections: number,
): Promise<Load> {
  const url = new URL(prefix);
  writeFileSync(join(folder, `${name}.paths`), paths.map((path) => url.pathname + path).join('\n'));
  writeFileSync(
    join(folder, `${name}.lua`),
    `local requests = {}
init = function() for line in io.lines("${folder}/${name}.paths") do requests[#requests + 1] = wrk.format("GET", line) end end
local n = 0
request = function() n = n % #requests + 1; return requests[n] end
`,
  );
  const cpu = cpuSeconds(pid);
  const args = [
    '-c',
    '1',
    'wrk',
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '-s',
    join(folder, `${name}.lua`),
    url.origin,
  ];
  const output = await new Promise<string>((resolve) => {
    const child = spawn('taskset', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    child.on('exit', () => resolve(text));
  });
  const used = cpuSeconds(pid) - cpu;
  const total = Number(/(\d+) requests in/.exec(output)?.[1] ?? 0);
  if (/Non-2xx/.test(output)) throw new Error(`${name}: ${output}`);
  return { perSecond: total / seconds, perCpuSecond: total / Math.max(used, 0.01) };
}

/** The same by hand: wrk does not count answers that end with their connection, as openssl's do. */
async function askOneByOne(port: number, paths: string[], pid: number): Promise<Load> {
  const cpu = cpuSeconds(pid);
  let total = 0;
  const end = performance.now() + seconds * 1000;
  const client = async (): Promise<void> => {
    for (let n = 0; performance.now() < end; n++) {
      const socket = connect(port, '127.0.0.1');
      socket.write(`GET /${paths[n % paths.length]!} HTTP/1.0\r\n\r\n`);
      let octets = 0;
      socket.on('data', (chunk: Buffer) => (octets += chunk.length));
      await once(socket, 'close');
      if (octets > 300) total++;
    }
  };
  await Promise.all([client(), client(), client()]);
  return { perSecond: total / seconds, perCpuSecond: total / Math.max(cpuSeconds(pid) - cpu, 0.01) };
}

function request(certId: Buffer, nonce?: Buffer): Buffer {
  const list = der.sequence(der.sequence(certId));
  const extensions = nonce
    ? [der.encode(der.constructed(2), der.sequence(extension(oids.ocspNonce, der.octetString(nonce))))]
    : [];
  return der.sequence(der.sequence(list, ...extensions));
}

const pathOf = (bytes: Buffer): string => encodeURIComponent(bytes.toString('base64'));

function certIdOf(serialNumber: string, chainPem: string): Buffer {
  const tbs = der.members(
    der.members(der.readOne(new X509Certificate(chainPem).raw), der.tags.sequence)[0],
    der.tags.sequence,
  );
  const key = der.contentOf(der.members(tbs[6], der.tags.sequence)[1], der.tags.bitString).subarray(1);
  const sha1 = (bytes: Buffer) => der.octetString(createHash('sha1').update(bytes).digest());
  return der.sequence(
    der.sequence(oids.sha1, der.nullValue()),
    sha1(tbs[5]!.bytes),
    sha1(key),
    der.integer(Buffer.from(serialNumber, 'hex')),
  );
}

/** openssl's responder over a text database of as many certificates, under a CA of its own name: it answers, signed, every time. */
function startOpenssl(folder: string, port: number, serials: string[]) {
  createOpensslCa(folder);
  writeFileSync(
    join(folder, 'index.txt'),
    serials.map((serial, n) => `V\t270101000000Z\t\t${serial.toUpperCase()}\tunknown\t/CN=d${n}\n`).join(''),
  );
  // It must not end with the first connection that wrk drops.
  const command = `trap '' PIPE; exec openssl ocsp -port ${port} -index index.txt -CA ca.pem -rsigner ca.pem -rkey ca.key -nmin 60`;
  return spawn('taskset', ['-c', '0', 'sh', '-c', command], {
    cwd: folder,
    stdio: 'ignore',
  });
}
