import { z } from 'zod';
import { DomainError } from '../errors.js';
import { kindOfAction, type ResourceKind } from './action.js';
import { compileCondition, compileRange } from './condition.js';
import { policyDocument, statement, type Condition, type PolicyDocument, type Statement } from './document.js';
import { policyLimits, quote } from './limits.js';
import { parseResource } from './resource.js';
import { findExcess } from './weight.js';

/** What keeps a document from having a meaning, and where. */
export type PolicyFault = { statement?: string; message: string };

/** Reads a document that has the right shape. @throws DomainError `invalid-policy` naming the statements and what is wrong */
export function parsePolicy(input: unknown): PolicyDocument {
  const { document, faults } = readPolicy(input);
  if (document && faults.length === 0) return document;
  throw invalidPolicy(faults);
}

const mostInDetail = 10;

/** What is answered for a document that cannot be saved: some of its faults in words, more of them in `errors`. */
export function invalidPolicy(faults: PolicyFault[]): DomainError {
  const shown = faults.slice(0, mostInDetail).map(describeFault);
  const rest = faults.length - shown.length;
  const detail = [...shown, ...(rest > 0 ? [`and ${rest} more, in errors`] : [])].join('; ');
  return new DomainError('invalid-policy', detail, { errors: faults });
}

type Read = { document?: PolicyDocument; faults: PolicyFault[] };

/** A document and what is wrong with it, at most a hundred faults; no document when even its shape is. */
export const readPolicy = (input: unknown): Read => atOnce(readingPolicy(input));

/** {@link readPolicy} with a pause after each statement. */
export function* readingPolicy(input: unknown): Generator<void, Read> {
  const { document, faults } = yield* readingShape(input);
  if (!document) return { faults: yield* capping(faults) };
  yield;
  const excess = findExcess(document).map((message) => ({ message }));
  // What is too large is not looked into.
  if (excess.length > 0) return { document, faults: excess };
  return { document, faults: yield* capping(faultsOf(document)) };
}

/** Does work that has pauses without any. */
export function atOnce<Result>(work: Generator<void, Result>): Result {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

/** A pause between two findings. */
export const pause = undefined;

/** {@link capped}, pausing where the faults do. */
export function* capping(faults: Iterable<PolicyFault | typeof pause>): Generator<void, PolicyFault[]> {
  const shown: PolicyFault[] = [];
  for (const fault of faults) {
    if (fault === pause) {
      yield;
      continue;
    }
    const { statement: id, message } = fault;
    if (shown.length === policyLimits.findings)
      return [...shown, { message: `there is more: only the first ${policyLimits.findings} are told` }];
    const where = id === undefined ? {} : { statement: quote(id) };
    shown.push({ ...where, message: quote(message, longestMessage) });
  }
  return shown;
}

/** The first faults, each short enough to be read, and a word about the rest. */
export const capped = (faults: Iterable<PolicyFault>): PolicyFault[] => atOnce(capping(faults));

const longestMessage = 400;

function describeFault({ statement: id, message }: PolicyFault): string {
  return id === undefined ? message : `statement ${id}: ${message}`;
}

const envelope = policyDocument.extend({ statements: z.array(z.unknown()).min(1).max(policyLimits.statements) });

/** The document as far as its shape is right. One statement after another, until there is enough to tell. */
function* readingShape(input: unknown): Generator<void, Read> {
  const outer = countsTooMuch(input) ?? envelope.safeParse(input);
  if (!outer.success) return { faults: outer.error.issues.map((issue) => ({ message: describeIssue(issue) })) };
  const faults: PolicyFault[] = [];
  const statements: Statement[] = [];
  for (const [index, written] of outer.data.statements.entries()) {
    yield;
    const read = countsTooMuch(written) ?? statement.safeParse(written);
    if (read.success) statements.push(read.data);
    else faults.push(...read.error.issues.map((issue) => faultOf(issue, written, index)));
    if (faults.length > policyLimits.findings) break;
  }
  return faults.length > 0 ? { faults } : { document: { ...outer.data, statements }, faults };
}

const longestList = 1000;
const mostNodes = 5000;

type TooMuch = { success: false; error: { issues: { path: PropertyKey[]; message: string }[] } };

/** A look at the lists of an object before anything is judged one by one: what is out of all proportion is not. */
function countsTooMuch(input: unknown): TooMuch | undefined {
  const left: unknown[] = [input];
  for (let seen = 0; left.length > 0; seen++) {
    if (seen > mostNodes) return tooMuch(`has more than ${mostNodes} values: split it`);
    const value = left.pop();
    // The statements of a document are looked at one by one.
    if (typeof value !== 'object' || value === null) continue;
    const values: unknown[] = Object.values(value);
    if (values.length > longestList) return tooMuch(`has more than ${longestList} entries in one list: split it`);
    if (isStatementList(value, input)) continue;
    left.push(...values);
  }
  return undefined;
}

function isStatementList(value: object, input: unknown): boolean {
  return Array.isArray(value) && (input as { statements?: unknown }).statements === value;
}

function tooMuch(message: string): TooMuch {
  return { success: false, error: { issues: [{ path: [], message }] } };
}

type Issue = { path: PropertyKey[]; message: string };

function faultOf(issue: Issue, written: unknown, index: number): PolicyFault {
  const id = (written as { id?: unknown } | null)?.id;
  if (typeof id === 'string') return { statement: id, message: describeIssue(issue) };
  return { message: describeIssue({ ...issue, path: ['statements', index, ...issue.path] }) };
}

function describeIssue({ path, message }: Issue): string {
  const where = quote(path.map(String).join('.'));
  return `${where}${where === '' ? '' : ': '}${message}`;
}

function* faultsOf({ statements }: PolicyDocument): Generator<PolicyFault | typeof pause> {
  for (const { id } of repeated(statements, ({ id }) => id))
    yield { statement: id, message: 'its id is used twice: answers name the statement by it' };
  for (const written of statements) {
    for (const message of faultsOfStatement(written)) yield { statement: written.id, message };
    yield pause;
  }
}

function repeated<Item>(items: readonly Item[], keyOf: (item: Item) => unknown): Item[] {
  const seen = new Set<unknown>();
  return items.filter((item) => seen.size === seen.add(keyOf(item)).size);
}

function* faultsOfStatement({ actions, resources, condition: written }: Statement): Generator<string> {
  for (const action of repeated(actions, (name) => name)) yield `action ${quote(action)} is written twice`;
  for (const resource of repeated(resources, (text) => text)) yield `resource ${quote(resource)} is written twice`;
  for (const action of actions) yield* faultOfAction(action);
  yield* faultsOfResources(resources, actions);
  if (written) yield* faultsOfCondition(written);
}

function faultOfAction(action: string): string[] {
  if (action === '*' || kindOfAction(action)) return [];
  return [`action ${quote(action)} must be * or [a-z][a-z0-9_]{0,63}`];
}

function* faultsOfResources(resources: string[], actions: string[]): Generator<string> {
  const first = new Map<ResourceKind, string>();
  for (const resource of resources) {
    const read = attempt(() => parseResource(resource));
    if (typeof read === 'string') yield `resource ${quote(resource)} ${read}`;
    else if (read.kind !== undefined && !first.has(read.kind)) first.set(read.kind, resource);
  }
  for (const [kind, resource] of first) {
    for (const action of actions) {
      const wanted = kindOfAction(action);
      if (wanted === undefined || wanted === kind) continue;
      yield `action ${quote(action)} goes with ${prefixOf(wanted)} resources, not with ${quote(resource)}`;
    }
  }
}

const prefixOf = (kind: ResourceKind) => `${kind}:`;

function faultsOfCondition(written: Condition): string[] {
  const ranges = (written.sourceCidrs ?? []).map((cidr) => attempt(() => compileRange(cidr)));
  const compiled = attempt(() => compileCondition({ ...written, sourceCidrs: undefined }));
  return [...ranges, compiled].filter((result) => typeof result === 'string');
}

/** The result, or the message of the RangeError. */
function attempt<Result>(work: () => Result): Result | string {
  try {
    return work();
  } catch (error) {
    if (error instanceof RangeError) return error.message;
    throw error;
  }
}
