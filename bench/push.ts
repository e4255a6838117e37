import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { csrPem } from '../test/support/pki/csr.js';
import { createClient } from '../test/support/client.js';
import { startProgram, type Program } from '../test/support/program.js';
import { createDatabase, startPostgres } from '../test/support/databases/postgres.js';

const listeners = 1000;
const turns = 15;
const middle = (values: number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
const at95 = (values: number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length * 0.95)]!;

/** Connections that count what comes and tell when each of them has had so many octets more. */
function count(sockets: Socket[]) {
  let [octets, heard, done] = [Infinity, 0, () => {}];
  const got = new Map<Socket, number>();
  for (const socket of sockets)
    socket.on('data', (chunk: Buffer) => {
      const sum = (got.get(socket) ?? 0) + chunk.length;
      got.set(socket, sum);
      if (sum >= octets && sum - chunk.length < octets && ++heard === sockets.length) done();
    });
  return (want: number): Promise<number> => {
    got.clear();
    heard = 0;
    octets = want;
    return new Promise((resolve) => (done = () => resolve(performance.now())));
  };
}

const open = async (port: number, first: string): Promise<Socket> => {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  if (first !== '') socket.write(first);
  return socket;
};

/** From the acknowledgement of a revocation to the last of a thousand listeners, against bare sockets. */
export async function benchPush(): Promise<string> {
  const postgres = await startPostgres({ fsync: false });
  const ownerKey = `twk_${randomBytes(32).toString('base64url')}`;
  const settings = {
    DATABASE_URL: await createDatabase(postgres, 'push'),
    THINGWARD_KEY: randomBytes(32).toString('base64'),
    THINGWARD_OWNER_KEY: ownerKey,
    LOG_LEVEL: 'error',
    THINGWARD_STREAMS_PER_KEY: '1000',
  };
  const programs: Program[] = [await startProgram(settings)];
  try {
    const url = programs[0]!.url;
    const owner = createClient(url, ownerKey);
    const { token } = (await owner.post('/v1/enrollments', { thingNamePattern: '*', maxUses: 100_000 })).body;
    const agent = createClient(url, token as string);
    const newSerial = async (): Promise<string> =>
      (await agent.post('/v1/provision', { thingName: `p-${randomBytes(6).toString('hex')}`, csr: csrPem() })).body
        .certificate.serialNumber as string;
    const acks: string[] = [];
    for (const instances of [1, 2, 4]) {
      while (programs.length < instances) programs.push(await startProgram(settings));
      const taken: number[] = [];
      for (let n = 0; n < 100; n++) {
        const serial = await newSerial();
        const start = performance.now();
        await owner.post(`/v1/certificates/${serial}/revoke`, { reason: 'unspecified' });
        taken.push(performance.now() - start);
      }
      acks.push(`| ${instances} | ${middle(taken).toFixed(1)} ms | ${at95(taken).toFixed(1)} ms |`);
    }
    for (const program of programs.splice(1)) await program.kill();
    await new Promise((resolve) => setTimeout(resolve, 2500));

    const port = Number(new URL(url).port);
    const request = `GET /v1/revocations/stream HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer ${ownerKey}\r\n\r\n`;
    const sockets: Socket[] = [];
    for (let n = 0; n < listeners; n++) sockets.push(await open(port, request));
    const next = count(sockets);
    await new Promise((resolve) => setTimeout(resolve, 7000));
    const ours: number[] = [];
    for (let n = 0; n < turns; n++) {
      const serial = await newSerial();
      // The first entry of a revocation is about 400 octets, chunk and all; the end of its refresh family follows.
      const last = next(300);
      await owner.post(`/v1/certificates/${serial}/revoke`, { reason: 'unspecified' });
      const acked = performance.now();
      ours.push(Math.max(0, (await last) - acked));
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    sockets.forEach((socket) => socket.destroy());

    const floor = spawn(process.execPath, ['bench/fan-out-floor.mjs'], { stdio: ['pipe', 'pipe', 'inherit'] });
    const [hello] = (await once(floor.stdout, 'data')) as [Buffer];
    const bare: Socket[] = [];
    for (let n = 0; n < listeners; n++) bare.push(await open(Number(/\d+/.exec(hello.toString())![0]), ''));
    const nextBare = count(bare);
    floor.stdin.write('bytes 600\n');
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const [written, acked]: number[][] = [[], []];
    for (let n = 0; n < turns; n++) {
      const last = nextBare(600);
      const told = once(floor.stdout, 'data').then(() => performance.now());
      const start = performance.now();
      floor.stdin.write('go\n');
      const end = await last;
      written!.push(end - start);
      acked!.push(Math.max(0, end - (await told)));
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    bare.forEach((socket) => socket.destroy());
    floor.kill();
    const ratio = middle(ours) / middle(written!);
    return [
      '| from | to the last of 1,000 listeners, median | 95 % | against bare sockets |',
      '|---|---:|---:|---:|',
      `| the acknowledgement of a revocation | ${middle(ours).toFixed(1)} ms | ${at95(ours).toFixed(1)} ms | ${ratio.toFixed(2)} |`,
      `| the word to write 600 octets to 1,000 bare sockets | ${middle(written!).toFixed(1)} ms | ${at95(written!).toFixed(1)} ms | |`,
      '',
      '| instances | request to acknowledgement, median | 95 % |',
      '|---:|---:|---:|',
      ...acks,
    ].join('\n');
  } finally {
    for (const program of programs) await program.kill();
    await postgres.stop();
  }
}
