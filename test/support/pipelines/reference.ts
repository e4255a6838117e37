// A second, plain implementation of pipelines: each thing's whole stream goes through one step after another.
import type { PipelineDocument, StepDocument } from '../../../src/pipeline/document.js';
import { stepped, type Item } from './reference-steps.js';

/** What happens to a pipeline: a message with its values, one that is a dead letter, or the passing of time. */
export type Happening =
  | { at: number; thing: string; time: number; values: Record<string, unknown>; dead?: undefined }
  | { at: number; thing: string; dead: true }
  | { at: number; thing?: undefined };

/** What is published, in the form in which both implementations are compared. */
export type Published = { thing: string; occasion: string; records: object[] };

/** Which values a step is about. */
function aboutOf(step: StepDocument, main: string[]): string[] {
  if (step.kind === 'threshold') return [step.threshold];
  if (step.kind === 'deadband') return Object.keys(step.deadband);
  return ('of' in step ? step.of : undefined) ?? main;
}

/** What a pipeline publishes of each thing. `nudge` moves each number that goes into a step, as rounding does. */
export function expected(
  document: PipelineDocument,
  happenings: Happening[],
  nudge: (value: number) => number = (value) => value,
): Published[] {
  return livesOf(document, happenings).flatMap(({ thing, items, evicted }) => {
    let main = Object.keys(document.values);
    let stream = items;
    for (const step of document.steps) {
      const of = aboutOf(step, main);
      stream = stepped(step, of, nudged(stream, nudge));
      if (step.kind === 'window')
        main = of.map((name) => `${name}.${step.emit.includes('mean') ? 'mean' : step.emit[0]!}`);
    }
    return publications(document, thing, stream, evicted);
  });
}

const nudged = (items: Item[], nudge: (value: number) => number): Item[] =>
  items.map((item) => {
    const values = Object.entries(item.values).map(([name, value]) => [
      name,
      typeof value === 'number' ? nudge(value) : value,
    ]);
    return { ...item, values: Object.fromEntries(values) as Item['values'] };
  });

type Life = { thing: string; items: Item[]; evicted: boolean };

/** A thing that is forgotten and comes back begins anew. */
function livesOf({ maxThings }: PipelineDocument, happenings: Happening[]): Life[] {
  const lives: Life[] = [];
  // The one seen least recently is the first.
  let live: { life: Life; seenAt: number }[] = [];
  const blank = { values: {}, taken: false, severity: -1, alerts: [] };
  for (const happening of happenings) {
    const { at, thing } = happening;
    if (thing === undefined) {
      for (const { life, seenAt } of live) life.items.push({ ...blank, at, time: at, tick: { at, seenAt } });
      continue;
    }
    let own = live.find(({ life }) => life.thing === thing);
    if (!own && live.length === maxThings) live.shift()!.life.evicted = true;
    own ??= { life: { thing, items: [], evicted: false }, seenAt: at };
    if (!lives.includes(own.life)) lives.push(own.life);
    own.seenAt = at;
    live = [...live.filter((each) => each !== own), own];
    if (!happening.dead) own.life.items.push({ ...blank, at, time: happening.time, values: happening.values });
  }
  return lives;
}

function publications({ now, steps }: PipelineDocument, thing: string, stream: Item[], evicted: boolean): Published[] {
  const batch = steps.find((step) => step.kind === 'batch')?.batch;
  const isNow = ({ severity, values }: Item) =>
    now.some((condition) =>
      Object.entries(condition).every(([name, wanted]) => {
        if (typeof wanted === 'string') return severity >= ['info', 'warning', 'critical'].indexOf(wanted);
        const value = values[name];
        return typeof value === 'number' && value > (wanted.over ?? -Infinity) && value < (wanted.under ?? Infinity);
      }),
    );
  const out: Published[] = [];
  let waiting: Item[] = [];
  const publish = (occasion: string) => {
    if (waiting.length > 0) out.push({ thing, occasion, records: waiting.map(shown) });
    waiting = [];
  };
  for (const item of stream) {
    if (item.tick) {
      if (batch && waiting.length > 0 && item.at - waiting[0]!.at >= batch.seconds * 1000) publish('seconds');
      continue;
    }
    if (item.taken && !isNow(item)) continue;
    waiting.push(item);
    if (isNow(item)) publish('now');
    else if (!batch) publish('each');
    else if (waiting.length === batch.size) publish('batch');
  }
  if (evicted) publish('evicted');
  return out;
}

function shown({ time, from, values, severity, alerts }: Item): object {
  return {
    time,
    ...(from === undefined ? {} : { from }),
    values: Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)),
    ...(severity < 0 ? {} : { severity: ['info', 'warning', 'critical'][severity] }),
    ...(alerts.length > 0 ? { alerts } : {}),
  };
}
