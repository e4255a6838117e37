import type { PipelineDocument, StepDocument } from './document.js';

/** What a step reads and adds: places in the fields of a pipeline. */
export type Wiring = { of: string[]; slots: number[]; results: number[]; unknown: string[]; taken: string[] };

/** The fields of a pipeline in order, and how each step is wired to them. */
export type Fields = { names: string[]; steps: Wiring[] };

/**
 * Follows the values of a document through its steps. Steps are about all values by default, and after a window about
 * its means (or what it tells first, where it tells no mean).
 */
export function wire({ values, steps }: Pick<PipelineDocument, 'values' | 'steps'>): Fields {
  const names = Object.keys(values);
  const places = new Map(names.map((name, place) => [name, place]));
  let main = [...names];
  const wired = steps.map((step): Wiring => {
    const of = readBy(step) ?? main;
    const unknown = of.filter((name) => !places.has(name));
    const wiring: Wiring = { of, slots: of.flatMap((name) => places.get(name) ?? []), results: [], unknown, taken: [] };
    for (const group of addedBy(
      step,
      of.filter((name) => places.has(name)),
    )) {
      wiring.results.push(names.length);
      for (const name of group) {
        if (places.has(name)) wiring.taken.push(name);
        places.set(name, names.length);
        names.push(name);
      }
    }
    if (step.kind === 'window')
      main = of
        .filter((name) => places.has(name))
        .map((name) => `${name}.${step.emit.includes('mean') ? 'mean' : step.emit[0]!}`);
    return wiring;
  });
  return { names, steps: wired };
}

/** What a step says it is about; undefined where it leaves that out. */
function readBy(step: StepDocument): string[] | undefined {
  switch (step.kind) {
    case 'threshold':
      return [step.threshold];
    case 'deadband':
      return Object.keys(step.deadband);
    case 'redact':
      return step.redact;
    case 'sample':
    case 'validate':
    case 'batch':
      return [];
    case 'outliers':
    case 'smooth':
    case 'window':
    case 'anomaly':
    case 'trend':
    case 'frequency':
      return step.of;
  }
}

/** The fields that a step adds, by what each is about. */
function addedBy(step: StepDocument, of: string[]): string[][] {
  switch (step.kind) {
    case 'window':
      return of.map((name) => step.emit.map((statistic) => `${name}.${statistic}`));
    case 'anomaly':
      return [[step.as]];
    case 'trend':
      return of.map((name) => [`${name}.slope`]);
    case 'frequency':
      return of.map((name) => [`${name}.frequency`]);
    case 'outliers':
    case 'smooth':
    case 'threshold':
    case 'deadband':
    case 'sample':
    case 'validate':
    case 'redact':
    case 'batch':
      return [];
  }
}
