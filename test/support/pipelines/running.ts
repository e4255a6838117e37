import { lintPipeline } from '../../../src/pipeline/lint.js';
import { createPipeline, type DeadLetter } from '../../../src/pipeline/pipeline.js';
import { presentRecord, type PublishedRecord } from '../../../src/pipeline/present.js';

/** When a stream begins. */
export const start = 1_800_000_000_000;

/** A pipeline of some steps over `a` and `b`, with what it published so far. */
export function running(steps: object[], more: object = {}) {
  const written = {
    name: 'p',
    match: { topics: ['${account}/+/telemetry'] },
    values: { a: '$.a', b: '$.b' },
    steps,
    ...more,
  };
  const { document, findings } = lintPipeline(written);
  if (!document || findings.some(({ level }) => level === 'error')) throw new Error(JSON.stringify(findings));
  const published: { thing: string; occasion: string; records: PublishedRecord[] }[] = [];
  const pipeline = createPipeline('acme', document, ({ thing, occasion, records }) => {
    published.push({ thing, occasion, records: records.map((record) => presentRecord(pipeline.fields, record)) });
  });
  let now = start;
  return {
    pipeline,
    published,
    /** The records that were published. */
    records: () => published.flatMap(({ records }) => records),
    /** Sends messages of a thing, a second apart. */
    send(messages: (object | Uint8Array)[], thing = 't1'): (DeadLetter | undefined)[] {
      return messages.map((message) => {
        const payload = message instanceof Uint8Array ? message : Buffer.from(JSON.stringify(message));
        const why = pipeline.take({ thing: { name: thing }, topic: `acme/${thing}/telemetry`, payload, at: now });
        now += 1000;
        return why;
      });
    },
    /** Lets time pass. */
    wait(seconds: number): void {
      now += seconds * 1000;
      for (const _ of pipeline.tick(now));
    },
  };
}
