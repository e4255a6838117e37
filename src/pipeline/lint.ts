import { quote } from '../policy/limits.js';
import { timed } from './decode/decoders.js';
import type { NowCondition, PipelineDocument, StepDocument } from './document.js';
import { wire, type Fields } from './fields.js';
import { parsePath } from './json-path.js';
import { readSchema } from './json-schema.js';
import { pipelineLimits } from './limits.js';
import { fault, pointer, readShape, type Finding } from './read.js';
import { percentileOf } from './steps/gathered.js';
import { parseTopic } from './topics.js';
import { numbersOfThing, openWindows } from './weight.js';

/** A document and everything that is said about it: none where its shape is wrong. Never throws. */
export function lintPipeline(input: unknown): { document?: PipelineDocument; findings: Finding[] } {
  const { document, findings } = readShape(input);
  if (!document) return { findings };
  const fields = wire(document);
  const all = [
    ...ofHead(document),
    ...ofNames(document),
    ...ofFields(document, fields),
    ...ofNow(document, fields),
    ...document.steps.flatMap((step, index) => [...ofStep(step, index, document)]),
  ];
  // How much is kept is known once it is known what is meant.
  const heavy = all.some(({ level }) => level === 'error') ? [] : [...ofState(document)];
  return { document, findings: [...all, ...heavy].slice(0, pipelineLimits.findings) };
}

function* ofHead({ match, time, values, decode }: PipelineDocument): Generator<Finding> {
  for (const [index, topic] of match.topics.entries()) {
    try {
      parseTopic(topic);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      yield fault('bad-topic', ['match', 'topics', index], `${quote(topic)} ${error.message}`);
    }
  }
  const names = Object.keys(values);
  if (names.length === 0) yield fault('shape', ['values'], 'must name at least one value');
  if (names.length > pipelineLimits.values)
    yield fault('too-large', ['values'], `has more than ${pipelineLimits.values} values`);
  for (const name of names) {
    if (name === 'severity')
      yield fault('value-taken', ['values', name], 'is a word of conditions: choose another name');
    if (!parsePath(values[name]!)) yield badPath(['values', name], values[name]!);
  }
  if (time === undefined) return;
  if (timed.has(decode))
    yield fault('needless-time', ['time'], `${decode} says itself when a message is from: leave this out`);
  if (!parsePath(time)) yield badPath(['time'], time);
}

const badPath = (at: PropertyKey[], path: string): Finding =>
  fault('bad-path', at, `${quote(path)} must be a path such as $.a.b, $.a[0] or $["a b"]`);

const siteName = /^[a-z][a-z0-9-]{0,63}$/;

/** Whoever writes pipelines has no say about where an edge connects to. */
function* ofNames({ to }: PipelineDocument): Generator<Finding> {
  for (const [index, name] of to.entries()) {
    if (!siteName.test(name)) {
      yield fault(
        'url',
        ['to', index],
        `${quote(name)} must be the name of a sink in the settings of the edge, such as upstream: pipelines hold no URLs and no addresses`,
      );
    } else if (name !== 'upstream') {
      const message = `every edge that is to run it needs a sink ${name} in its settings`;
      yield { level: 'warning', code: 'other-sink', at: pointer('to', index), message };
    }
  }
}

function* ofFields({ steps }: PipelineDocument, { names, steps: wired }: Fields): Generator<Finding> {
  if (names.length > pipelineLimits.fields)
    yield fault(
      'too-large',
      ['steps'],
      `records would have ${names.length} values, more than ${pipelineLimits.fields}`,
    );
  for (const [index, { unknown, taken }] of wired.entries()) {
    for (const name of unknown)
      yield fault('unknown-value', ['steps', index], `there is no value ${quote(name)} at this step`);
    for (const name of taken)
      yield fault(
        'value-taken',
        ['steps', index],
        `there is a value ${quote(name)} before this step: choose another name`,
      );
    const { kind } = steps[index]!;
    if (kind === 'batch' && index < steps.length - 1)
      yield fault('batch-not-last', ['steps', index], 'must be the last step');
  }
}

function* ofNow({ now }: PipelineDocument, { names }: Fields): Generator<Finding> {
  const known = new Set(names);
  for (const [index, condition] of now.entries()) {
    if (Object.keys(condition).length === 0) yield fault('shape', ['now', index], 'must name severity or a value');
    for (const [name, bounds] of Object.entries(condition)) {
      const found = faultOfBounds(name, bounds, known);
      if (found) yield fault(found.code, ['now', index, name], found.message);
    }
  }
}

function faultOfBounds(
  name: string,
  bounds: NowCondition[string],
  known: ReadonlySet<string>,
): Pick<Finding, 'code' | 'message'> | undefined {
  if ((name === 'severity') !== (typeof bounds === 'string'))
    return { code: 'shape', message: 'severity is a word, and a value is over or under a number' };
  if (typeof bounds === 'string') return undefined;
  if (!known.has(name)) return { code: 'unknown-value', message: `there is no value ${quote(name)}` };
  if (bounds.over === undefined && bounds.under === undefined)
    return { code: 'empty-bounds', message: 'must have over or under' };
  return undefined;
}

function* ofStep(step: StepDocument, index: number, { steps }: PipelineDocument): Generator<Finding> {
  const at = ['steps', index];
  switch (step.kind) {
    case 'threshold':
      if (step.max === undefined && step.min === undefined) yield fault('empty-bounds', at, 'must have max or min');
      return;
    case 'deadband':
      if (Object.keys(step.deadband).length === 0)
        yield fault('empty-bounds', [...at, 'deadband'], 'must name a value');
      return;
    case 'anomaly':
      if (step.anomaly === 'z' && step.points > step.window)
        yield fault('nothing-goes', [...at, 'points'], 'must not be more than window: there would never be a score');
      return;
    case 'validate':
      for (const { at: inner, message } of readSchema(step.validate).faults)
        yield fault('bad-schema', [...at, 'validate', ...inner], message);
      return;
    case 'window':
      yield* ofWindow(step, at);
      return;
    case 'batch':
      if (steps.filter(({ kind }) => kind === 'batch').length > 1)
        yield fault('batch-not-last', at, 'a pipeline has one batch');
      return;
    case 'outliers':
    case 'smooth':
    case 'trend':
    case 'frequency':
    case 'sample':
    case 'redact':
  }
}

function* ofWindow({ window, emit }: Extract<StepDocument, { kind: 'window' }>, at: PropertyKey[]): Generator<Finding> {
  for (const [index, name] of emit.entries()) {
    const percentile = percentileOf(name);
    if (percentile !== undefined && !(percentile > 0 && percentile < 100))
      yield fault('bad-statistic', [...at, 'emit', index], 'a percentile is more than 0 and less than 100');
    if (emit.indexOf(name) < index) yield fault('value-taken', [...at, 'emit', index], `${name} is named twice`);
  }
  if ('last' in window) return;
  const lie =
    'tumbling' in window ? { sliding: window.tumbling, every: window.tumbling, lateness: window.lateness } : window;
  if (lie.every > lie.sliding)
    yield fault(
      'window-gaps',
      [...at, 'window', 'every'],
      'must not be longer than the window: what comes between would be in none',
    );
  const open = openWindows(lie);
  if (open > pipelineLimits.openWindows)
    yield fault(
      'too-many-windows',
      [...at, 'window'],
      `${open} windows would be open at once, more than ${pipelineLimits.openWindows}: make every longer or lateness shorter`,
    );
}

function* ofState(document: PipelineDocument): Generator<Finding> {
  const own = numbersOfThing(document);
  const { numbersOfThing: most, numbers } = pipelineLimits;
  if (own > most)
    yield fault(
      'too-much-state',
      ['steps'],
      `would keep ${own} numbers of each thing, more than ${most}: make windows or the batch shorter`,
    );
  else if (own * document.maxThings > numbers)
    yield fault(
      'too-much-state',
      ['maxThings'],
      `would keep ${own} numbers of each of ${document.maxThings} things, more than ${numbers} in all: lower maxThings, or make windows or the batch shorter`,
    );
}
