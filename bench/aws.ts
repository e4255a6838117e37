import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { awsCalls } from '../src/aws/client/calls.js';
import { createClient } from '../test/support/client.js';
import { csrPem } from '../test/support/pki/csr.js';
import { startFakeIot } from '../test/support/aws/fake-iot.js';
import { fast, mirrorInto } from '../test/support/aws/mirror.js';
import { awsEnvironment } from '../test/support/aws/moto.js';
import { createDatabase, startPostgres } from '../test/support/databases/postgres.js';
import { startProgram } from '../test/support/program.js';
import { cpuSeconds, format } from './measure.js';

const things = Number(process.env['AWS_THINGS'] ?? 10_000);

/** A fleet mirrored into a fake of AWS IoT in this process, with rates that nobody waits for; then compared. */
export async function benchAws(): Promise<string> {
  const postgres = await startPostgres({ fsync: false });
  const ownerKey = `twk_${randomBytes(24).toString('base64url')}`;
  const fake = await startFakeIot({ pageSize: 250 });
  const program = await startProgram({
    DATABASE_URL: await createDatabase(postgres, 'aws'),
    THINGWARD_KEY: randomBytes(32).toString('base64'),
    THINGWARD_OWNER_KEY: ownerKey,
    LOG_LEVEL: 'info',
    ...awsEnvironment,
  });
  const pid = program.process.pid!;
  try {
    const owner = createClient(program.url, ownerKey);
    await provisionAll(program.url, owner);
    const [begun, cpu] = [performance.now(), cpuSeconds(pid)];
    const lines = ['| mirrored | a second | RSS of the server, MB |', '| ---: | ---: | ---: |'];
    await owner.send('PUT', '/v1/aws', mirrorInto(fake.url, fast(awsCalls)));
    for (let last = 0, at = begun; ;) {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      const { pending } = (await owner.get('/v1/aws')).body.queue;
      const done = things - Math.min(pending as number, things);
      if (done - last < things / 5 && pending > 0) continue;
      const now = performance.now();
      lines.push(`| ${format(done)} | ${format(((done - last) * 1000) / (now - at))} | ${rssOf(pid)} |`);
      console.log(lines.at(-1));
      [last, at] = [done, now];
      if (pending === 0) break;
    }
    const seconds = (performance.now() - begun) / 1000;
    const cpuMs = ((cpuSeconds(pid) - cpu) * 1000) / things;
    const progress = program
      .output()
      .split('\n')
      .filter((line) => line.includes('mirroring into AWS')).length;
    const calls = fake.calls.length / things;
    const compared = await compare(owner);
    return [
      `### ${format(things)} things into AWS IoT`,
      '',
      ...lines,
      '',
      `${format(things)} things in ${seconds.toFixed(0)} s, ${cpuMs.toFixed(1)} ms of CPU and ${calls.toFixed(2)} calls a thing;`,
      `${progress} lines of progress in the log. Compared with AWS in ${compared.seconds.toFixed(0)} s: ${compared.differences} differences, RSS ${rssOf(pid)} MB.`,
    ].join('\n');
  } finally {
    await program.kill();
    await fake.stop();
    await postgres.stop();
  }
}

async function provisionAll(url: string, owner: ReturnType<typeof createClient>): Promise<void> {
  const { token } = (await owner.post('/v1/enrollments', { thingNamePattern: '*', maxUses: things })).body;
  const agent = createClient(url, token as string);
  let next = 0;
  const worker = async () => {
    while (next < things) await agent.post('/v1/provision', { thingName: `m-${next++}`, csr: csrPem() });
  };
  await Promise.all(Array.from({ length: 16 }, worker));
}

async function compare(owner: ReturnType<typeof createClient>) {
  const begun = performance.now();
  const { id } = (await owner.post('/v1/aws/reconcile')).body;
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const { status, counts } = (await owner.get(`/v1/aws/reconcile/${id}`)).body;
    if (status === 'running') continue;
    if (status !== 'done') throw new Error('the comparison failed');
    return { seconds: (performance.now() - begun) / 1000, differences: Object.keys(counts as object).length };
  }
}

function rssOf(pid: number): number {
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024);
}
