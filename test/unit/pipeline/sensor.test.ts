import { describe, expect, it } from 'vitest';
import { builtInPipelines } from '../../../src/pipeline/built-in.js';
import { lintPipeline } from '../../../src/pipeline/lint.js';
import { createPipeline } from '../../../src/pipeline/pipeline.js';
import { presentRecord, type PublishedRecord } from '../../../src/pipeline/present.js';
import { seeded } from '../../support/seeded.js';

const messages = 100_000;
const start = 1_800_000_000_000;
const sensor = lintPipeline(builtInPipelines.find(({ name }) => name === 'sensor')).document!;

describe('the pipeline sensor', () => {
  it('a day of a sensor leaves under 2 % of its octets, and every message is in a window', () => {
    const random = seeded('sensor');
    const records: PublishedRecord[] = [];
    let [raw, upstream] = [0, 0];
    const pipeline = createPipeline('acme', sensor, (publication) => {
      const shown = publication.records.map((record) => presentRecord(pipeline.fields, record));
      upstream += JSON.stringify({ thing: publication.thing, records: shown }).length;
      records.push(...shown);
    });
    const noise = () => (random.below(1000) + random.below(1000) + random.below(1000)) / 1000 - 1.5;
    const began = performance.now();
    let dead = 0;
    for (let n = 0; n < messages; n++) {
      const at = start + n * 864;
      const body = {
        ts: at,
        t: Number((20 + 4 * Math.sin(n / 9000) + noise()).toFixed(2)),
        h: Number((50 + noise()).toFixed(2)),
        note: '',
      };
      body.note = 'x'.repeat(200 - JSON.stringify(body).length);
      const payload = Buffer.from(JSON.stringify(body));
      raw += payload.length;
      if (pipeline.take({ thing: { name: 's1', type: 'sensor' }, topic: 'acme/s1/telemetry', payload, at })) dead++;
    }
    const seconds = (performance.now() - began) / 1000;
    for (const _ of pipeline.tick(start + 2 * 86_400_000));
    const counted = records.reduce((sum, { values }) => sum + Number(values['temp.count'] ?? 0), 0);
    console.log(
      `${((100 * upstream) / raw).toFixed(2)} % of ${raw} octets, ${Math.round(messages / seconds)} messages a second`,
    );
    expect(raw).toBe(200 * messages);
    expect(counted).toBe(messages);
    expect(dead).toBe(0);
    expect(upstream / raw).toBeLessThan(0.02);
    expect(pipeline.counts).toMatchObject({ messages, deadLetters: 0, late: 0, evicted: 0 });
  });

  it('what is critical leaves at once', () => {
    const left: string[] = [];
    const pipeline = createPipeline('acme', sensor, ({ occasion, records }) => {
      left.push(`${occasion} ${records.map(({ severity }) => severity).join()}`);
    });
    const send = (t: number, n: number) =>
      pipeline.take({
        thing: { name: 's1' },
        topic: 'acme/s1/telemetry',
        payload: Buffer.from(JSON.stringify({ ts: start + n * 1000, t })),
        at: start + n * 1000,
      });
    for (let n = 0; n < 20; n++) send(20 + (n % 2), n);
    expect(left).toEqual([]);
    for (let n = 20; n < 40; n++) send(95, n);
    expect(left[0]).toBe('now 2');
  });
});
