import type { PipelineDocument } from '../../../src/pipeline/document.js';
import { createPipeline } from '../../../src/pipeline/pipeline.js';
import { presentRecord } from '../../../src/pipeline/present.js';
import type { Happening, Published } from './reference.js';

/** What the engine publishes of what happens, in order for each thing, and how many records went through it. */
export function ran(document: PipelineDocument, happenings: Happening[]): { published: Published[]; records: number } {
  const published: Published[] = [];
  const pipeline = createPipeline('acme', document, ({ thing, occasion, records }) => {
    published.push({ thing, occasion, records: records.map((record) => presentRecord(pipeline.fields, record)) });
  });
  for (const happening of happenings) {
    const { at, thing } = happening;
    if (thing === undefined) {
      for (const _ of pipeline.tick(at));
      continue;
    }
    const payload = Buffer.from(happening.dead ? '{' : written(happening));
    const dead = pipeline.take({ thing: { name: thing }, topic: 'x', payload, at });
    if ((dead !== undefined) !== (happening.dead === true)) throw new Error(`is a dead letter: ${dead}`);
  }
  return { published, records: pipeline.counts.records };
}

export const written = ({ time, values }: { time: number; values: Record<string, unknown> }) =>
  JSON.stringify({ ts: time, a: values['a'], b: { 'x y': [null, values['b']] } });

/** The first difference of two values beyond 1e-9, by its path; undefined where there is none. */
export function difference(is: unknown, should: unknown, path = ''): string | undefined {
  if (typeof is === 'number' && typeof should === 'number') {
    if (!Number.isFinite(is)) return `${path}: ${is} is not finite`;
    const near = Math.abs(is - should) <= 1e-9 * Math.max(1, Math.abs(is), Math.abs(should));
    return near ? undefined : `${path}: ${is} is not ${should}`;
  }
  if (typeof is !== 'object' || typeof should !== 'object' || is === null || should === null)
    return Object.is(is, should) ? undefined : `${path}: ${String(is)} is not ${String(should)}`;
  for (const key of new Set([...Object.keys(is), ...Object.keys(should)])) {
    const found = difference(
      (is as Record<string, unknown>)[key],
      (should as Record<string, unknown>)[key],
      `${path}/${key}`,
    );
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Both by thing: between things there is no order to keep. */
export function byThing(published: Published[]): Record<string, Published[]> {
  const things: Record<string, Published[]> = {};
  for (const each of published) (things[each.thing] ??= []).push(each);
  return things;
}
