import type { NowCondition, PipelineDocument, StepDocument } from './document.js';
import { wire, type Wiring } from './fields.js';
import { parsePath, type Path } from './json-path.js';
import { readSchema, type Judge } from './json-schema.js';
import { numberAt, severities, type Counts, type PipelineRecord } from './record.js';
import { startWeighted, startZ } from './steps/anomaly.js';
import { startFrequency } from './steps/frequency.js';
import { startDeadband, startEvery, startSpaced } from './steps/holding.js';
import { startRedact, startThreshold } from './steps/judging.js';
import { startOutliers } from './steps/outliers.js';
import { startAverage, startEwma } from './steps/smooth.js';
import type { Making, StartStep } from './steps/step.js';
import { startTrend } from './steps/trend.js';
import { startLast } from './steps/window-last.js';
import { startTime } from './steps/window-time.js';
import { parseTopic, type TopicLevel } from './topics.js';

/** A pipeline ready to run. */
export type Plan = {
  /** What values are called, by their place in records. */
  fields: readonly string[];
  topics: readonly (readonly TopicLevel[])[];
  types: ReadonlySet<string> | undefined;
  time: Path | undefined;
  values: readonly Path[];
  judges: readonly Judge[];
  steps: readonly StartStep[];
  batch: { size: number; ms: number } | undefined;
  isNow(record: PipelineRecord): boolean;
};

/** Makes a document ready. It was read and linted before. */
export function compilePipeline(document: PipelineDocument, counts: Counts): Plan {
  const { names, steps } = wire(document);
  const started = document.steps.flatMap((step, index) => startOf(step, steps[index]!, names, counts) ?? []);
  const batch = document.steps.find((step) => step.kind === 'batch')?.batch;
  const conditions = document.now.map((condition) => conditionOf(condition, names));
  return {
    fields: names,
    topics: document.match.topics.map(parseTopic),
    types: document.match.types && new Set(document.match.types),
    time: document.time === undefined ? undefined : parsePath(document.time)!,
    values: Object.values(document.values).map((path) => parsePath(path)!),
    judges: document.steps.flatMap((step) => (step.kind === 'validate' ? [readSchema(step.validate).judge] : [])),
    steps: started,
    batch: batch && { size: batch.size, ms: batch.seconds * 1000 },
    isNow: (record) => conditions.some((holds) => holds(record)),
  };
}

/** Undefined for steps that do nothing to a record. */
function startOf(
  step: StepDocument,
  { slots, results }: Wiring,
  names: readonly string[],
  counts: Counts,
): StartStep | undefined {
  const making: Making = { slots, results, fields: names.length, counts };
  switch (step.kind) {
    case 'outliers':
      return startOutliers(step, making);
    case 'smooth':
      return step.smooth === 'average' ? startAverage(step, making) : startEwma(step, making);
    case 'window':
      return startWindow(step, making);
    case 'anomaly':
      return step.anomaly === 'z' ? startZ(step, making) : startWeighted(step, making);
    case 'trend':
      return startTrend(step, making);
    case 'frequency':
      return startFrequency(step, making);
    case 'threshold':
      return startThreshold(slots[0]!, step);
    case 'deadband': {
      const bands = slots.map((slot) => ({ slot, by: step.deadband[names[slot]!]! }));
      return startDeadband(bands, step.seconds === undefined ? Infinity : step.seconds * 1000, counts);
    }
    case 'sample':
      return 'every' in step.sample
        ? startEvery(step.sample.every, counts)
        : startSpaced(step.sample.seconds * 1000, counts);
    case 'redact':
      return startRedact(slots);
    case 'validate':
    case 'batch':
      return undefined;
  }
}

function startWindow({ window, emit }: Extract<StepDocument, { kind: 'window' }>, making: Making): StartStep {
  if ('last' in window) return startLast(window.last, emit, making);
  const [length, every] = 'tumbling' in window ? [window.tumbling, window.tumbling] : [window.sliding, window.every];
  return startTime({ length: length * 1000, every: every * 1000, lateness: window.lateness * 1000 }, emit, making);
}

function conditionOf(condition: NowCondition, names: readonly string[]): (record: PipelineRecord) => boolean {
  const tests = Object.entries(condition).map(([name, wanted]) => {
    if (typeof wanted === 'string') {
      const least = severities.indexOf(wanted);
      return (record: PipelineRecord) => record.severity >= least;
    }
    const slot = names.indexOf(name);
    const { over = -Infinity, under = Infinity } = wanted;
    return (record: PipelineRecord) => {
      const value = numberAt(record, slot);
      return value !== undefined && value > over && value < under;
    };
  });
  return (record) => tests.every((test) => test(record));
}
