import { costTable } from './cost-table.js';
import type { PipelineDocument, StepDocument } from './document.js';
import { wire, type Wiring } from './fields.js';
import { numbersInBatch, numbersOfThing, openWindows } from './weight.js';

/** What a pipeline may cost where it runs. */
export type PipelineCost = {
  /** Microseconds of one processor that its steps take for a message. */
  steps: number;
  /** Octets that it may come to keep of one thing, and of how many things. */
  octetsOfThing: number;
  things: number;
  /** How many records a message makes, at most one; a window of time makes one of a thing in so many seconds. */
  recordsOfMessage: number;
  secondsOfRecord: number;
  recordsOfPublication: number;
};

/** What happens at a place: messages a second that a pipeline takes, and of how many things. */
export type Stream = { messages: number; things: number };

/** What a document may cost, by the table of what was measured. */
export function costOf(document: PipelineDocument): PipelineCost {
  const { steps: wiring } = wire(document);
  const batch = document.steps.find((step) => step.kind === 'batch')?.batch;
  const inBatch = numbersInBatch(document);
  const { decoded, value, thing, number, waiting } = costTable;
  const cost: PipelineCost = {
    steps: decoded + value * Object.keys(document.values).length,
    octetsOfThing: thing + number * (numbersOfThing(document) - inBatch) + waiting * inBatch,
    things: document.maxThings,
    recordsOfMessage: 1,
    secondsOfRecord: 0,
    recordsOfPublication: batch?.size ?? 1,
  };
  for (const [index, step] of document.steps.entries()) {
    cost.steps += microsecondsOf(step, wiring[index]!);
    if (step.kind === 'sample') {
      if ('every' in step.sample) cost.recordsOfMessage /= step.sample.every;
      else cost.secondsOfRecord = Math.max(cost.secondsOfRecord, step.sample.seconds);
    }
    if (step.kind !== 'window') continue;
    if ('last' in step.window) cost.recordsOfMessage /= step.window.last;
    else cost.secondsOfRecord = Math.max(cost.secondsOfRecord, lengthOf(step.window));
  }
  return cost;
}

/** Processors that are busy with it. `pace` is what its steps really take there, as a share of what the table says. */
export function processorsOf(cost: PipelineCost, { messages, things }: Stream, pace = 1): number {
  const { recordsOfMessage, secondsOfRecord, recordsOfPublication } = cost;
  const inTime = secondsOfRecord > 0 ? things / secondsOfRecord : Infinity;
  const records = Math.min(messages * recordsOfMessage, inTime);
  const perMessage = costTable.taken + pace * cost.steps;
  const perRecord = costTable.record + costTable.published / recordsOfPublication;
  return (messages * perMessage + records * perRecord) / 1e6;
}

/** Octets that it may come to keep. */
export const octetsOf = ({ octetsOfThing, things }: PipelineCost): number => octetsOfThing * things;

type WindowOf = Extract<StepDocument, { kind: 'window' }>['window'];

const lengthOf = (window: Exclude<WindowOf, { last: number }>): number =>
  'tumbling' in window ? window.tumbling : window.every;

function microsecondsOf(step: StepDocument, { slots }: Wiring): number {
  const { each, number } = costTable.step[step.kind];
  return Math.max(1, slots.length) * (each + number * looksAt(step));
}

/** Numbers that a step looks at for each message and value. */
function looksAt(step: StepDocument): number {
  switch (step.kind) {
    case 'outliers':
    case 'trend':
    case 'frequency':
      return step.window;
    case 'smooth':
      return step.smooth === 'average' ? step.window : 1;
    case 'anomaly':
      return step.anomaly === 'z' ? step.window : 3;
    case 'window':
      return numbersOfWindow(step.window);
    case 'threshold':
    case 'deadband':
    case 'sample':
    case 'validate':
    case 'redact':
    case 'batch':
      return 0;
  }
}

// A window of time touches all that are open; one of N sorts at its end, which is little for each of its records.
function numbersOfWindow(window: WindowOf): number {
  if ('last' in window) return Math.min(window.last, 100);
  const { lateness } = window;
  const [sliding, every] = 'tumbling' in window ? [window.tumbling, window.tumbling] : [window.sliding, window.every];
  return 25 * openWindows({ sliding, every, lateness });
}
