import { kindOfAction, type ResourceKind } from './action.js';
import type { CompiledPolicies, CompiledStatement, Index } from './compile.js';
import { failingMember, type Context } from './condition.js';
import { createLevels, type Levels } from './levels.js';
import { contain, literalAt, match, matchWhole, overlap } from './path-trie.js';
import { readQuery } from './resource.js';
import { valueOf, type Principal } from './variables.js';

/**
 * What is asked. Instants are in milliseconds since 1970. Nobody uses the answer after `horizon`: no change is
 * looked for beyond it.
 */
export type Query = {
  action: string;
  resource: string;
  context: Context;
  at: number;
  horizon?: number;
  /** `receive` of every topic of a filter, judged as `subscribe` is: inside one allow, and clear of every deny. */
  whole?: boolean | undefined;
};

type DecisionReason =
  'statement' | 'no-matching-statement' | 'outside-time-window' | 'malformed-resource' | 'binding-mismatch';

/**
 * The answer. `statement` is set when one decided; until `changesAt` (exclusive), or the horizon, time alone does
 * not change the answer.
 */
export type Decision = {
  allowed: boolean;
  reason: DecisionReason;
  statement: CompiledStatement | undefined;
  changesAt: number;
};

type Search = {
  principal: Principal;
  context: Context;
  action: string;
  at: number;
  horizon: number;
  /** The first in order of the allows, and of the denies, that hold. */
  allow: CompiledStatement | undefined;
  deny: CompiledStatement | undefined;
  /** Some allow failed by its windows alone. */
  missedWindow: boolean;
  changesAt: number;
};

// Deciding is synchronous, so one search serves all: a decision allocates its answer and nothing else.
const search: Search = {
  principal: { attributes: {}, account: '', name: '', type: '', serialNumber: '', fitting: new Map() },
  context: {},
  action: '',
  at: 0,
  horizon: Infinity,
  allow: undefined,
  deny: undefined,
  missedWindow: false,
  changesAt: Infinity,
};
const asked = createLevels();
const session = createLevels();

/**
 * Decides by the policies of a thing: default deny, a matching deny beats every allow, and of several
 * statements the first in order is named. A pure function of its arguments.
 */
export function decide(policies: CompiledPolicies, principal: Principal, query: Query): Decision {
  const { action, resource, context } = query;
  const kind = kindOfAction(action);
  const isFilter = action === 'subscribe' || (action === 'receive' && query.whole === true);
  if (!kind || !readQuery(kind, resource, asked, isFilter)) return refuse('malformed-resource', Infinity);
  search.principal = principal;
  search.context = context;
  search.at = query.at;
  search.horizon = query.horizon ?? Infinity;
  search.changesAt = Infinity;
  if (kind === 'topic' && context.clientId !== undefined && !mayConnect(policies, context.clientId))
    return refuse('binding-mismatch', search.changesAt);
  ask(policies, action, asked, isFilter);
  return conclude();
}

/** Whether the client id of a session is one that the principal may connect with. */
function mayConnect(policies: CompiledPolicies, clientId: string): boolean {
  if (!readQuery('client', `client:${clientId}`, session)) return false;
  ask(policies, 'connect', session, false);
  return search.deny === undefined && search.allow !== undefined;
}

function ask(policies: CompiledPolicies, action: string, levels: Levels, isFilter: boolean): void {
  search.action = action;
  search.allow = undefined;
  search.deny = undefined;
  search.missedWindow = false;
  for (const { actions, endpoints } of policies) {
    const { kind, denies, allows } = actions.get(action) ?? endpoints;
    if (!denies.empty) lookUpDenies(denies, kind, isFilter, levels);
    if (!allows.empty) lookUpAllows(allows, kind, isFilter, levels);
  }
}

function conclude(): Decision {
  const { deny, allow, changesAt } = search;
  const statement = deny ?? allow;
  if (statement) return { allowed: !deny, reason: 'statement', statement, changesAt };
  return refuse(search.missedWindow ? 'outside-time-window' : 'no-matching-statement', changesAt);
}

function refuse(reason: DecisionReason, changesAt: number): Decision {
  return { allowed: false, reason, statement: undefined, changesAt };
}

function lookUpDenies({ trie, always, unfit }: Index, kind: ResourceKind, isFilter: boolean, levels: Levels): void {
  consider(always);
  for (const { variable, statements } of unfit.values()) {
    if (valueOf(variable, search.principal) === undefined) consider(statements);
  }
  if (kind === 'client' || kind === 'endpoint') matchWhole(trie, levels, search.principal, consider);
  else if (isFilter) overlap(trie, levels, 0, search.principal, consider);
  else match(trie, levels, 0, search.principal, consider);
}

function lookUpAllows({ trie, always }: Index, kind: ResourceKind, isFilter: boolean, levels: Levels): void {
  if (kind === 'client' || kind === 'endpoint') {
    consider(always);
    return matchWhole(trie, levels, search.principal, consider);
  }
  const walk = isFilter ? contain : match;
  if (kind !== 'topic' || levels.text.charCodeAt(levels.start) !== dollar) {
    consider(always);
    return walk(trie, levels, 0, search.principal, consider);
  }
  // No wildcard of an allow reaches a first level that starts with $: it must be spelled.
  const next = literalAt(trie, levels.text, levels.start, levels.ends[0]!);
  if (next) walk(next, levels, 1, search.principal, consider);
}

const dollar = 0x24;

function consider(statements: CompiledStatement[]): void {
  for (const statement of statements) {
    if (statement.actions !== undefined && !statement.actions.has(search.action)) continue;
    if (statement.condition !== undefined && !holds(statement)) continue;
    if (statement.denies) search.deny = first(search.deny, statement);
    else search.allow = first(search.allow, statement);
  }
}

/** Policies are asked in order: what an earlier one said stays. */
function first(one: CompiledStatement | undefined, other: CompiledStatement): CompiledStatement {
  return one !== undefined && (one.policy !== other.policy || one.order <= other.order) ? one : other;
}

function holds({ condition, denies }: CompiledStatement): boolean {
  if (!condition) return true;
  const { context, principal, at, horizon } = search;
  if (failingMember(condition, denies, context, principal)) return false;
  const { timeWindows } = condition;
  if (!timeWindows) return true;
  // Every window whose other conditions hold could change the answer at its next edge.
  search.changesAt = Math.min(search.changesAt, timeWindows.nextEdge(at, horizon));
  if (timeWindows.holdsAt(at)) return true;
  if (!denies) search.missedWindow = true;
  return false;
}
