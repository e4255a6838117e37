import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeHappening } from '../src/edge/pipelines/records.js';
import { openJournal } from '../src/journal/journal.js';
import { lintPipeline } from '../src/pipeline/lint.js';
import { createPipeline } from '../src/pipeline/pipeline.js';
import { presentRecord } from '../src/pipeline/present.js';
import { numbersOfThing } from '../src/pipeline/weight.js';

// What a message costs in a pipeline, by kind of step: the source of src/pipeline/cost-table.ts. Run it with
//   node --expose-gc --import tsx bench/pipeline-costs.ts
const messages = 40_000;
const things = 50;
const values = 4;

type Json = Record<string, unknown>;

const pathsOf = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`v${n}`, `$.v${n}`]));
const payloadOf = (n: number, count: number) =>
  Buffer.from(
    JSON.stringify(
      Object.fromEntries(Array.from({ length: count }, (_, at) => [`v${at}`, 20 + ((n * (at + 7)) % 101) / 10])),
    ),
  );

function documentOf(steps: Json[], more: Json = {}) {
  const { document, findings } = lintPipeline({
    name: 'bench',
    match: { topics: ['${account}/+/telemetry'] },
    values: pathsOf(values),
    steps,
    ...more,
  });
  const wrong = findings.filter(({ level }) => level === 'error');
  if (!document || wrong.length > 0) throw new Error(JSON.stringify(wrong));
  return document;
}

/** Microseconds of a processor a message, the least of three. */
function costOf(steps: Json[], more: Json = {}, count = values): number {
  const document = documentOf(steps, more);
  const names = Array.from({ length: things }, (_, n) => `thing-${n}`);
  const payloads = Array.from({ length: 1000 }, (_, n) => payloadOf(n, count));
  let least = Infinity;
  for (let round = 0; round < 3; round++) {
    const pipeline = createPipeline('acme', document, () => {});
    const at = Date.UTC(2027, 0, 1);
    const take = (n: number) =>
      pipeline.take({
        thing: { name: names[n % things]! },
        topic: 'acme/x/telemetry',
        payload: payloads[n % 1000]!,
        at: at + n,
      });
    for (let n = 0; n < messages / 4; n++) take(n);
    const before = process.cpuUsage();
    for (let n = messages / 4; n < messages; n++) take(n);
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / (messages * 0.75));
  }
  return least;
}

const empty = costOf([]);
const none = costOf([], { values: pathsOf(1) });
const row = (what: string, cost: number) => console.log(`${what.padEnd(34)} ${cost.toFixed(2)} us`);
row('json, 4 values', empty);
row('a value', (empty - none) / (values - 1));

const added = (what: string, steps: Json[], from = empty): void =>
  row(`${what}, a value`, (costOf(steps) - from) / values);
for (const window of [11, 101]) added(`outliers ${window}`, [{ outliers: 'hampel', window }]);
for (const window of [5, 100]) added(`average ${window}`, [{ smooth: 'average', window }]);
added('ewma', [{ smooth: 'ewma', alpha: 0.3 }]);
for (const window of [10, 100, 1000]) added(`anomaly z ${window}`, [{ anomaly: 'z', points: 10, window }]);
added('anomaly ewma', [{ anomaly: 'ewma', points: 10 }]);
for (const window of [20, 200]) added(`trend ${window}`, [{ trend: 'linear', window }]);
for (const window of [64, 512]) added(`frequency ${window}`, [{ frequency: 'dominant', window }]);
for (const last of [10, 100])
  added(`last ${last}`, [{ window: { last }, emit: ['mean', 'min', 'max', 'stddev', 'p95', 'count'] }]);
added('tumbling', [{ window: { tumbling: 1, lateness: 0 }, emit: ['mean', 'max', 'count'] }]);
for (const sliding of [4, 16])
  added(`sliding, open ${sliding}`, [{ window: { sliding, every: 1, lateness: 0 }, emit: ['mean', 'max', 'count'] }]);
added(
  'threshold x4',
  Array.from({ length: values }, (_, n) => ({ threshold: `v${n}`, max: 1000 })),
);
added('deadband', [{ deadband: Object.fromEntries(Array.from({ length: values }, (_, n) => [`v${n}`, 0.1])) }]);
added('sample', [{ sample: { every: 2 } }]);
added('redact', [{ redact: ['v0'] }]);
added('batch', [{ batch: { size: 100, seconds: 60 } }]);
row(
  'validate',
  costOf([{ validate: { type: 'object', properties: { v0: { type: 'number', maximum: 100 } } } }]) - empty,
);

/** Octets that a thing holds for each number that it may keep, and besides. */
function memory(): void {
  for (const [what, steps] of [
    ['nothing', [{ sample: { every: 1 } }]],
    [
      'sensor',
      [
        { outliers: 'hampel', window: 11 },
        { window: { last: 100 }, emit: ['mean', 'p95'] },
        { anomaly: 'z', points: 10, as: 'score' },
        { batch: { size: 100, seconds: 60 } },
      ],
    ],
    [
      'windows of 1000',
      [
        { smooth: 'average', window: 1000 },
        { trend: 'linear', window: 1000 },
      ],
    ],
    ['batch of 1000', [{ batch: { size: 1000, seconds: 3600 } }]],
  ] as [string, Json[]][]) {
    const document = documentOf(steps);
    globalThis.gc!();
    const before = process.memoryUsage();
    const pipeline = createPipeline('acme', document, () => {});
    const [count, each] = [200, 999];
    for (let n = 0; n < count * each; n++)
      pipeline.take({
        thing: { name: `thing-${n % count}` },
        topic: 'acme/x/telemetry',
        payload: payloadOf(n, values),
        at: 1.8e12 + n,
      });
    globalThis.gc!();
    const after = process.memoryUsage();
    const octets = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;
    const numbers = numbersOfThing(document);
    console.log(
      `${what}: ${numbers} numbers, ${Math.round(octets / count)} octets a thing (${pipeline.things()} things)`,
    );
  }
}
memory();

/** What keeping a message in the journal costs, and a publication: JSON, and a journal of a sink. */
async function around(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'costs-'));
  const journal = await openJournal(join(folder, 'j'), {
    maxBytes: 1e9,
    fsync: true,
    whenFull: 'refuse',
    now: () => Date.now(),
  });
  const document = documentOf([]);
  const message = {
    at: 1.8e12,
    thing: 'thing-1',
    fingerprint: '',
    context: {},
    topic: 'acme/thing-1/telemetry',
    pipelines: [['bench', true]] as [string, boolean][],
    payload: payloadOf(1, values),
  };
  const before = process.cpuUsage();
  const [rounds, atOnce] = [400, 50];
  for (let n = 0; n < rounds; n++)
    await Promise.all(
      Array.from({ length: atOnce }, () => journal.append(encodeHappening({ kind: 'message', ...message }))),
    );
  const taking = process.cpuUsage(before);
  row('journal', (taking.user + taking.system) / (rounds * atOnce));
  const shown: object[] = [];
  const pipeline = createPipeline(
    'acme',
    document,
    ({ records }) => void shown.push(...records.map((each) => presentRecord(pipeline.fields, each))),
  );
  for (let n = 0; n < 100; n++)
    pipeline.take({
      thing: { name: 'thing-1' },
      topic: 'acme/x/telemetry',
      payload: payloadOf(n, values),
      at: 1.8e12 + n,
    });
  const start = process.cpuUsage();
  for (let n = 0; n < rounds; n++)
    await Promise.all(
      Array.from({ length: atOnce }, (_, at) =>
        journal.append(
          Buffer.from(
            JSON.stringify({
              id: `0-${n}-${at}`,
              pipeline: 'bench',
              version: 1,
              occasion: 'each',
              records: [shown[at]],
            }),
          ),
        ),
      ),
    );
  const publishing = process.cpuUsage(start);
  row('publication', (publishing.user + publishing.system) / (rounds * atOnce));
  await journal.close();
  rmSync(folder, { recursive: true });
}
await around();
