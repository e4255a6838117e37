import type { ActivePipeline } from '../../log/edge-view.js';
import type { PipelineDocument } from '../../pipeline/document.js';
import { lintPipeline } from '../../pipeline/lint.js';
import { createPipeline, type Pipeline, type SavedThing } from '../../pipeline/pipeline.js';
import { presentRecord } from '../../pipeline/present.js';
import type { Made, Outcome } from './outcome.js';
import type { Happening, TakenMessage } from './records.js';

type Run = { active: ActivePipeline; document: PipelineDocument; pipeline: Pipeline; busyMs: number };

/** What a version took so far: messages, and milliseconds of its steps. */
export type Taken = { name: string; version: number; messages: number; busyMs: number; things: number };

/** What is kept of pipelines that run, in pieces: each pipeline, and then what it keeps of its things. */
export type SavedPiece = { active: ActivePipeline } | { thing: string; saved: SavedThing };

/** The document of an active pipeline; undefined where this version cannot run it, because a later one wrote it. */
export function documentOf({ document }: ActivePipeline): PipelineDocument | undefined {
  const { document: read, findings } = lintPipeline(document);
  return findings.some(({ level }) => level === 'error') ? undefined : read;
}

const mostBackMs = 60_000;

/**
 * Whether a clock was ahead, and is no longer. Windows and batches that were begun by it would wait for that time to come, for years perhaps,
 * and take nothing until then. Smaller steps are none: time stands still for them.
 */
export const isSetBack = (before: number, at: number): boolean => at < before - mostBackMs;

export type Running = ReturnType<typeof createRunning>;

/**
 * Pipelines that run. It does no I/O, reads no clock and knows no one: it is told what happened, by positions in the journal, and says what
 * comes of it, under ids that are made of these positions. The same happenings make the same, whenever they are read. `stopwatch` measures what
 * that costs, in milliseconds, and nothing depends on it.
 */
export function createRunning(account: string, origin: string, stopwatch: () => number = () => 0) {
  const runs = new Map<string, Run>();
  let outcomes: Outcome[] = [];
  let [position, index, now] = [0, 0, 0];
  // Until when time alone may still bring something about.
  let ripeAt = -Infinity;

  const say = ({ active, document }: Run, thing: string, made: Made): void => {
    const { name, version } = active;
    const id = `${origin}-${position}-${index++}`;
    outcomes.push({ id, pipeline: name, version, thing, to: document.to, at: now, ...made });
  };

  const begin = (active: ActivePipeline): Run | undefined => {
    const document = documentOf(active);
    if (!document) return undefined;
    const pipeline = createPipeline(account, document, ({ thing, occasion, records }) => {
      const shown = records.map((record) => presentRecord(pipeline.fields, record));
      say(run, thing, { of: 'records', occasion, records: shown });
    });
    const run: Run = { active, document, pipeline, busyMs: 0 };
    runs.set(active.name, run);
    return run;
  };

  /** What waits in it leaves: windows of time and batches. */
  const finish = function* (name: string): Generator<void, void> {
    const run = runs.get(name);
    if (!run) return;
    const horizon = horizonOf(run.document);
    // What windows put into batches waits from then on.
    for (const at of [now + horizon, now + 2 * horizon]) yield* run.pipeline.tick(at);
    runs.delete(name);
  };

  /** What waits leaves, and all begins again at an earlier time. */
  const goBack = function* (at: number): Generator<void, void> {
    for (const { active } of [...runs.values()]) {
      yield* finish(active.name);
      begin(active);
    }
    [now, ripeAt] = [at, -Infinity];
  };

  /** Others have their turn between steps: that time is not of the pipeline. */
  const timed = function* <Result>(run: Run, work: Generator<void, Result>): Generator<void, Result> {
    for (;;) {
      const began = stopwatch();
      const { done, value } = work.next();
      run.busyMs += stopwatch() - began;
      if (done) return value;
      yield;
    }
  };

  const take = function* (message: TakenMessage): Generator<void, void> {
    const { thing, topic, payload, at } = message;
    for (const [name] of message.pipelines) {
      const run = runs.get(name);
      if (!run) continue;
      ripeAt = Math.max(ripeAt, at + 2 * horizonOf(run.document));
      const why = yield* timed(run, run.pipeline.taking({ thing: { name: thing }, topic, payload, at }));
      if (why) say(run, thing, { of: 'dead-letter', why, message });
    }
  };

  return {
    /** What comes of something that happened. Yields where it takes long; nothing else may be applied meanwhile. */
    *apply(at: number, happening: Happening): Generator<void, Outcome[]> {
      [position, index, outcomes] = [at, 0, []];
      if (isSetBack(now, happening.at)) yield* goBack(happening.at);
      now = Math.max(now, happening.at);
      if (happening.kind === 'message') yield* take(happening);
      else if (happening.kind === 'time') for (const { pipeline } of runs.values()) yield* pipeline.tick(now);
      else if (happening.kind === 'end') yield* finish(happening.name);
      else {
        yield* finish(happening.pipeline.name);
        begin(happening.pipeline);
      }
      return outcomes;
    },

    /** The versions that run. */
    active: (): ActivePipeline[] => [...runs.values()].map(({ active }) => active),
    /** What each version took since it runs here. */
    taken: (): Taken[] =>
      [...runs.values()].map(({ active: { name, version }, pipeline, busyMs }) => ({
        name,
        version,
        messages: pipeline.counts.messages,
        busyMs,
        things: pipeline.things(),
      })),
    /** Things of which something is kept, of all pipelines, and how many were forgotten to make room. */
    sizes(): { things: number; evicted: number } {
      let [things, evicted] = [0, 0];
      for (const { pipeline } of runs.values()) {
        things += pipeline.things();
        evicted += pipeline.counts.evicted;
      }
      return { things, evicted };
    },
    /** Whether time alone may bring something about. */
    isRipening: (at: number): boolean => at <= ripeAt,
    /** The latest time that it was told. */
    now: () => now,

    /** All that is kept, in pieces; each must be copied at once. */
    *save(): Generator<SavedPiece, void> {
      for (const { active, pipeline } of runs.values()) {
        yield { active };
        for (const [thing, saved] of pipeline.save()) yield { thing, saved };
      }
    },

    /** Continues from what {@link Running.save} said. */
    restore(pieces: Iterable<SavedPiece>, at: number): void {
      let run: Run | undefined;
      now = at;
      for (const piece of pieces)
        if ('active' in piece) {
          run = begin(piece.active);
          if (run) ripeAt = Math.max(ripeAt, at + 2 * horizonOf(run.document));
        } else run?.pipeline.restore(piece.thing, piece.saved);
    },
  };
}

const spareMs = 2000;

/** How long after a message time alone brings something about. */
function horizonOf({ steps }: PipelineDocument): number {
  let ms = spareMs;
  for (const step of steps) {
    if (step.kind === 'batch') ms += step.batch.seconds * 1000;
    if (step.kind !== 'window' || 'last' in step.window) continue;
    const length = 'tumbling' in step.window ? step.window.tumbling : step.window.sliding;
    ms += (length + step.window.lateness) * 1000;
  }
  return ms;
}
