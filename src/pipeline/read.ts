import type { z } from 'zod';
import { quote } from '../policy/limits.js';
import { envelope, stepShapes, type PipelineDocument, type StepDocument, type StepKind } from './document.js';
import { pipelineLimits } from './limits.js';

/** Every kind of thing that is said about a document. The words stay as they are. */
export type FindingCode =
  | 'shape'
  | 'too-large'
  | 'unknown-step'
  | 'not-available'
  | 'url'
  | 'bad-path'
  | 'bad-topic'
  | 'bad-schema'
  | 'bad-statistic'
  | 'unknown-value'
  | 'value-taken'
  | 'empty-bounds'
  | 'needless-time'
  | 'batch-not-last'
  | 'window-gaps'
  | 'too-many-windows'
  | 'too-much-state'
  | 'other-sink'
  | 'nothing-goes';

/** What is wrong, or only odd, about a document. `at` is a JSON Pointer. An `error` keeps it from being saved. */
export type Finding = { level: 'error' | 'warning'; code: FindingCode; at: string; message: string };

/** A JSON Pointer (RFC 6901). */
export const pointer = (...path: readonly PropertyKey[]): string =>
  path.map((each) => `/${quote(String(each)).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');

const longestMessage = 300;

/** An error about a place of a document. */
export const fault = (code: FindingCode, path: readonly PropertyKey[], message: string): Finding => ({
  level: 'error',
  code,
  at: pointer(...path),
  message: quote(message, longestMessage),
});

const later: Record<string, string> = {
  image: 'the step image is not available yet: leave it out, and let the device resize',
  call: 'the step call is not available yet: leave it out',
};
const kinds = Object.keys(stepShapes) as StepKind[];

/** The document as far as its shape is right, and what is wrong with that. */
export function readShape(input: unknown): { document?: PipelineDocument; findings: Finding[] } {
  if (isOutOfProportion(input))
    return {
      findings: [
        fault(
          'too-large',
          [],
          `has more than ${mostNodes} values or ${pipelineLimits.characters} characters: split it`,
        ),
      ],
    };
  const outer = envelope.safeParse(input);
  const findings = outer.success ? [] : outer.error.issues.flatMap((issue) => faultsOf(issue, []));
  const written = (input as { steps?: unknown } | null)?.steps;
  const steps: StepDocument[] = [];
  for (const [index, step] of (Array.isArray(written) ? written.slice(0, pipelineLimits.steps) : []).entries()) {
    const read = readStep(step, ['steps', index]);
    if ('kind' in read) steps.push(read);
    else findings.push(...read.findings);
  }
  if (!outer.success || findings.length > 0) return { findings: findings.slice(0, pipelineLimits.findings) };
  return { document: { ...outer.data, steps }, findings };
}

function readStep(step: unknown, path: readonly PropertyKey[]): StepDocument | { findings: Finding[] } {
  if (typeof step !== 'object' || step === null || Array.isArray(step))
    return { findings: [fault('shape', path, 'must be an object')] };
  for (const [name, message] of Object.entries(later)) {
    if (Object.hasOwn(step, name)) return { findings: [fault('not-available', [...path, name], message)] };
  }
  const kind = kindOf(step);
  if (!kind) return { findings: [fault('unknown-step', path, `must have one of ${kinds.join(', ')}`)] };
  const read = stepShapes[kind].safeParse(step);
  if (!read.success) return { findings: read.error.issues.flatMap((issue) => faultsOf(issue, path)) };
  return { kind, ...read.data } as StepDocument;
}

/** Steps such as `outliers` have a member `window` too: the window step is the one that has no other. */
function kindOf(step: object): StepKind | undefined {
  const named = kinds.filter((kind) => Object.hasOwn(step, kind));
  return named.find((kind) => kind !== 'window') ?? named[0];
}

/** A branch of a union says best what is wrong where the one meant can be told: it has the fewest faults. */
function faultsOf(issue: z.core.$ZodIssue, path: readonly PropertyKey[]): Finding[] {
  const at = [...path, ...issue.path];
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return [fault('shape', at, issue.message)];
  const meant = issue.errors.reduce((best, each) => (costOf(each) < costOf(best) ? each : best));
  return meant.flatMap((inner) => faultsOf(inner, at));
}

const costOf = (issues: readonly z.core.$ZodIssue[]): number =>
  issues.reduce((sum, { code, path }) => sum + (code === 'unrecognized_keys' || path.length < 2 ? 2 : 1), 0);

const mostNodes = 5000;

function isOutOfProportion(input: unknown): boolean {
  const left: unknown[] = [input];
  let characters = 0;
  for (let seen = 0; left.length > 0; seen++) {
    if (seen > mostNodes) return true;
    const value = left.pop();
    if (typeof value === 'string') characters += value.length;
    if (typeof value !== 'object' || value === null) continue;
    for (const [name, inner] of Object.entries(value)) {
      characters += name.length + 4;
      left.push(inner);
    }
    if (left.length > mostNodes || characters > pipelineLimits.characters) return true;
  }
  return characters > pipelineLimits.characters;
}
