import type { PipelineDocument, StepDocument } from './document.js';
import { wire, type Wiring } from './fields.js';
import { percentileOf } from './steps/gathered.js';
import { pipelineLimits } from './limits.js';

const accumulators = 8;

/** How many windows of time are open at once. */
export function openWindows({
  sliding,
  every,
  lateness,
}: {
  sliding: number;
  every: number;
  lateness: number;
}): number {
  return Math.ceil((sliding + lateness) / every) + 1;
}

/** The most numbers that a pipeline keeps of one thing. */
export function numbersOfThing(document: PipelineDocument): number {
  const { names, steps } = wire(document);
  return document.steps.reduce((sum, step, index) => sum + numbersOf(step, steps[index]!, names.length), names.length);
}

/** Those of them that wait in its batch. */
export function numbersInBatch(document: PipelineDocument): number {
  const batch = document.steps.find((step) => step.kind === 'batch')?.batch;
  return batch ? batch.size * (wire(document).names.length + accumulators) : 0;
}

function numbersOf(step: StepDocument, { slots }: Wiring, fields: number): number {
  switch (step.kind) {
    case 'outliers':
      return slots.length * step.window;
    case 'smooth':
      return slots.length * (step.smooth === 'average' ? step.window : 1);
    case 'anomaly':
      return slots.length * (step.anomaly === 'z' ? step.window : 3);
    case 'trend':
    case 'frequency':
      return 2 * slots.length * step.window;
    case 'window':
      return slots.length * numbersOfWindow(step);
    case 'batch':
      return step.batch.size * (fields + accumulators);
    case 'threshold':
    case 'deadband':
    case 'sample':
    case 'validate':
    case 'redact':
      return slots.length + 1;
  }
}

function numbersOfWindow({ window, emit }: Extract<StepDocument, { kind: 'window' }>): number {
  const keeps = emit.some((name) => percentileOf(name) !== undefined);
  if ('last' in window) return accumulators + (keeps ? window.last : 0);
  const open =
    'tumbling' in window
      ? openWindows({ sliding: window.tumbling, every: window.tumbling, lateness: window.lateness })
      : openWindows(window);
  return open * (accumulators + (keeps ? pipelineLimits.keptValues : 0));
}

const perMessage = 100;

/** How much work a message is, in numbers that are looked at. */
export function workOfMessage(document: PipelineDocument): number {
  const { names, steps } = wire(document);
  return document.steps.reduce((sum, step, index) => sum + workOf(step, steps[index]!), perMessage + names.length);
}

/** A window of N is touched once by each message; what looks at all of its latest values does so for each. */
function workOf(step: StepDocument, wiring: Wiring): number {
  if (step.kind === 'window')
    return wiring.slots.length * ('last' in step.window ? 1 : numbersOfWindow({ ...step, emit: ['mean'] }));
  if (step.kind === 'batch') return 1;
  if (step.kind === 'validate') return perMessage;
  // Finding a median sorts.
  return numbersOf(step, wiring, 0) * (step.kind === 'outliers' ? 16 : 1);
}
