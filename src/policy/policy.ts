import { z } from 'zod';
import { DomainError } from '../errors.js';
import { kindOfAction, type ResourceKind } from './action.js';
import { compileCondition, compileRange, protocols } from './condition.js';
import { parseResource } from './resource.js';
import { days } from './time-window.js';
import { spellZone } from './zone.js';

const time = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a time from 00:00 to 23:59');
const timeWindow = z
  .strictObject({
    from: time,
    to: time.or(z.literal('24:00')),
    days: z.array(z.enum(days)).min(1),
    timeZone: z.string().max(64).overwrite(spellZone),
  })
  .refine(({ from, to }) => from !== to, 'must not begin and end at the same time: 00:00 to 24:00 is the whole day');

const condition = z.strictObject({
  timeWindows: z.array(timeWindow).min(1).max(64).optional(),
  sourceCidrs: z.array(z.string().max(64)).min(1).max(256).optional(),
  protocols: z
    .array(z.string().toLowerCase().pipe(z.enum(protocols)))
    .min(1)
    .optional(),
  attributes: z
    .record(
      z.string().regex(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/, 'must be an attribute name'),
      z.array(z.string().max(256)).min(1),
    )
    .refine((attributes) => Object.keys(attributes).length > 0, 'must name an attribute')
    .optional(),
  retain: z.boolean().optional(),
  qos: z.array(z.int().min(0).max(2)).min(1).optional(),
});

const statement = z.strictObject({
  id: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, and _ -'),
  effect: z.enum(['allow', 'deny']),
  actions: z.array(z.string().max(64)).min(1).max(100),
  resources: z.array(z.string().max(65_600)).min(1).max(1000),
  condition: condition.optional(),
});

/** A policy document: what is written, stored and rendered. */
export const policyDocument = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, and _ -'),
  dataSensitivity: z.enum(['low', 'medium', 'high']).optional(),
  statements: z.array(statement).min(1).max(1000),
});

export type PolicyDocument = z.output<typeof policyDocument>;
export type Statement = z.output<typeof statement>;
export type Condition = z.output<typeof condition>;
export type TimeWindow = z.output<typeof timeWindow>;

/** What keeps a document from having a meaning, and where. */
export type PolicyFault = { statement?: string; message: string };

/** Reads a document that has the right shape. @throws DomainError `invalid-policy` naming the statements and what is wrong */
export function parsePolicy(input: unknown): PolicyDocument {
  const { document, faults } = readPolicy(input);
  if (document && faults.length === 0) return document;
  const errors = faults.map(({ statement: id, message }) => ({
    ...(id === undefined ? {} : { statement: id }),
    message,
  }));
  throw new DomainError('invalid-policy', faults.map(describeFault).join('; '), { errors });
}

/** A document and everything that is wrong with it; no document when even its shape is. */
export function readPolicy(input: unknown): { document?: PolicyDocument; faults: PolicyFault[] } {
  const shape = policyDocument.safeParse(input);
  if (!shape.success) return { faults: shape.error.issues.map((issue) => faultOf(issue, input)) };
  const document = shape.data;
  return { document, faults: [...repeatedIds(document), ...document.statements.flatMap(faultsOfStatement)] };
}

export function describeFault({ statement: id, message }: PolicyFault): string {
  return id === undefined ? message : `statement ${id}: ${message}`;
}

function faultOf(issue: z.core.$ZodIssue, input: unknown): PolicyFault {
  const [member, index, ...rest] = issue.path;
  const id = member === 'statements' && typeof index === 'number' ? idOf(input, index) : undefined;
  const where = id === undefined ? issue.path : rest;
  const message = `${where.map(String).join('.')}${where.length > 0 ? ': ' : ''}${issue.message}`;
  return id === undefined ? { message } : { statement: id, message };
}

function idOf(input: unknown, index: number): string | undefined {
  const written = (input as { statements?: { id?: unknown }[] }).statements?.[index]?.id;
  return typeof written === 'string' ? written : undefined;
}

function repeatedIds({ statements }: PolicyDocument): PolicyFault[] {
  const repeated = statements.filter(({ id }, index) => statements.findIndex((other) => other.id === id) < index);
  return repeated.map(({ id }) => ({
    statement: id,
    message: 'its id is used twice: answers name the statement by it',
  }));
}

function faultsOfStatement({ id, actions, resources, condition: written }: Statement): PolicyFault[] {
  const faults = [
    ...actions.flatMap(faultOfAction),
    ...resources.flatMap((resource) => faultsOfResource(resource, actions)),
    ...(written ? faultsOfCondition(written) : []),
  ];
  return faults.map((message) => ({ statement: id, message }));
}

function faultOfAction(action: string): string[] {
  if (action === '*' || kindOfAction(action)) return [];
  return [`action ${action} must be * or [a-z][a-z0-9_]{0,63}`];
}

function faultsOfResource(resource: string, actions: string[]): string[] {
  const read = attempt(() => parseResource(resource));
  if (typeof read === 'string') return [`resource ${resource} ${read}`];
  const { kind } = read;
  if (kind === undefined) return [];
  return actions
    .filter((action) => kindOfAction(action) !== undefined && kindOfAction(action) !== kind)
    .map((action) => `action ${action} goes with ${prefixOf(kindOfAction(action)!)} resources, not with ${resource}`);
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
