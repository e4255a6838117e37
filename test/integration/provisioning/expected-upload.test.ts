import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { createInterface } from 'node:readline';
import { pipeline, Readable } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { createClient } from '../../support/client.js';
import { databaseKinds, freshDatabase } from '../../support/databases/databases.js';
import { freePort } from '../../support/ports.js';
import { startProgram, type Program } from '../../support/program.js';

// In full by `npm run expected-things`: a million rows.
const rows = Number(process.env['EXPECTED_ROWS'] ?? 20_000);
const ownerKey = `twk_${randomBytes(32).toString('hex')}`;
const badEvery = 1000;

type Event = { progress?: { rows: number }; bad?: { line: number }; report?: Record<string, number> };

/** A CSV of so many rows, made while it is sent; every thousandth is bad. */
function* csv(): Generator<string> {
  yield 'name,type,attributes.site,attributes.batch,segment,keySha256,code\n';
  for (let row = 1; row <= rows; row++) {
    const name = row % badEvery === 0 ? 'no name' : `meter-${String(row).padStart(7, '0')}`;
    yield `${name},meter,"plant ${row % 40}",${row % 5000},,,code-${row * 7919}\n`;
  }
}

/** Sends the CSV as fast as it is taken. Ends with the last line, or where the connection broke. */
async function upload(url: string, heard: (event: Event) => void): Promise<Record<string, number> | undefined> {
  const sent = request(`${url}/v1/things/expected`, {
    method: 'POST',
    agent: false,
    headers: { authorization: `Bearer ${ownerKey}`, 'content-type': 'text/csv', accept: 'application/x-ndjson' },
  });
  let report: Event['report'];
  await new Promise<void>((resolve) => {
    sent.once('error', () => resolve());
    sent.once('response', (response) => {
      response.once('error', () => resolve());
      response.once('close', () => resolve());
      const lines = createInterface({ input: response });
      lines.on('line', (line) => {
        const event = JSON.parse(line) as Event;
        heard(event);
        report = event.report ?? report;
      });
      lines.once('error', () => resolve());
      if (report) resolve();
    });
    pipeline(Readable.from(csv(), { highWaterMark: 64 }), sent, () => {});
  });
  return report;
}

const megabytes = (program: Program): number => {
  const [, kilobytes = '0'] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${program.process.pid}/status`, 'utf8')) ?? [];
  return Math.round(Number(kilobytes) / 1024);
};

describe.each(databaseKinds)('an upload of many expected things on %s', (kind) => {
  let program: Program | undefined;
  let remove = () => {};
  afterEach(async () => {
    await program?.kill('SIGKILL');
    remove();
  });

  it('is sent again after a kill, doubles nothing, and needs no more memory for more rows', async () => {
    const database = await freshDatabase(kind);
    ({ remove } = database);
    const settings = { ...database.settings, THINGWARD_PORT: String(await freePort()), THINGWARD_OWNER_KEY: ownerKey };
    program = await startProgram(settings);
    let kept = 0;
    const broken = await upload(program.url, ({ progress }) => {
      kept = progress?.rows ?? kept;
      if (kept >= rows * 0.4) program!.process.kill('SIGKILL');
    });
    expect(broken).toBeUndefined();
    expect(kept).toBeLessThan(rows);

    program = await startProgram(settings);
    const sizes: [number, number][] = [];
    let bad = 0;
    const began = performance.now();
    const report = await upload(program.url, (event) => {
      if (event.bad) expect(event.bad.line).toBe(++bad * badEvery + 1);
      if (event.progress) sizes.push([event.progress.rows, megabytes(program!)]);
    });
    const seconds = (performance.now() - began) / 1000;
    const good = rows - rows / badEvery;
    expect(report).toMatchObject({ rows, changed: 0, refused: bad });
    expect(bad).toBe(rows / badEvery);
    expect(report!['added']! + report!['unchanged']!).toBe(good);
    // What was told before the kill was kept.
    expect(report!['unchanged']).toBeGreaterThanOrEqual(kept - kept / badEvery - 1);

    const early = Math.max(...sizes.filter(([at]) => at <= rows / 4).map(([, size]) => size));
    const late = Math.max(...sizes.map(([, size]) => size));
    console.log(
      `${kind}: ${rows} rows of CSV in ${seconds.toFixed(1)} s; resident at most ${early} MB in the first quarter, ${late} MB in all`,
    );
    expect(late - early).toBeLessThan(150);
    const owner = createClient(program.url, ownerKey);
    const last = `meter-${String(rows - 1).padStart(7, '0')}`;
    expect((await owner.get(`/v1/things/expected/${last}`)).body).toMatchObject({ type: 'meter', hasCode: true });
  });
});
