import { kindsByPlace, placeOf, placeOfAction } from './action.js';
import type { CompiledPolicies, CompiledStatement, Decision, Index } from './compile.js';
import { failingMember, type Context } from './condition.js';
import { createLevels, type Levels } from './matching/levels.js';
import { contain, literalAt, match, matchWhole, overlap } from './matching/path-trie.js';
import { isOnPath } from './matching/paths.js';
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

type Search = {
  principal: Principal;
  query: Query;
  /** The first in order of the allows, and of the denies, that hold. */
  allow: CompiledStatement | undefined;
  deny: CompiledStatement | undefined;
  /** Some allow failed by its windows alone. */
  missedWindow: boolean;
  changesAt: number;
};

// Deciding is synchronous, so one search serves all.
const search: Search = {
  principal: { attributes: {}, account: '', name: '', type: '', serialNumber: '', fitting: new Map() },
  query: { action: '', resource: '', context: {}, at: 0 },
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
  const place = placeOfAction(action);
  if (place < 0) return refuse(malformed, Infinity);
  const kind = kindsByPlace[place]!;
  const isFilter = place === placeOf.subscribe || (place === placeOf.receive && query.whole === true);
  if (!readQuery(kind, resource, asked, isFilter)) return refuse(malformed, Infinity);
  search.principal = principal;
  search.query = query;
  search.changesAt = Infinity;
  if (kind === 'topic' && context.clientId !== undefined && !mayConnect(policies, context.clientId))
    return refuse(unbound, search.changesAt);
  ask(policies, place, asked, isFilter);
  return conclude();
}

/** Whether the client id of a session is one that the principal may connect with. */
function mayConnect(policies: CompiledPolicies, clientId: string): boolean {
  if (!readQuery('client', `client:${clientId}`, session)) return false;
  ask(policies, placeOf.connect, session, false);
  return search.deny === undefined && search.allow !== undefined;
}

function ask(policies: CompiledPolicies, place: number, levels: Levels, isFilter: boolean): void {
  search.allow = undefined;
  search.deny = undefined;
  search.missedWindow = false;
  const how = howOf(place, isFilter);
  for (let index = 0; index < policies.length; index++) {
    const { denies, allows } = policies[index]![place]!;
    if (denies !== undefined) lookUpDenies(denies, how, levels);
    if (allows !== undefined) lookUpAllows(allows, how, levels);
  }
}

// How a question meets resources: a number, found once for all policies.
const asName = 0;
const asPath = 1;
const asFilter = 2;

function howOf(place: number, isFilter: boolean): number {
  if (isFilter) return asFilter;
  return place === placeOf.connect || place === placeOf.others ? asName : asPath;
}

// What was answered last is answered again while it is the same, so that most decisions allocate nothing.
function conclude(): Decision {
  const { deny, allow, changesAt } = search;
  const statement = deny ?? allow;
  if (!statement) return refuse(search.missedWindow ? untimely : unmatched, changesAt);
  const last = statement.decision;
  if (last !== undefined && last.changesAt === changesAt) return last;
  return (statement.decision = { allowed: !deny, reason: 'statement', statement, changesAt });
}

/** The last answer for a reason, given again while it is the same. */
type Refused = { reason: Decision['reason']; last: Decision | undefined };

const malformed: Refused = { reason: 'malformed-resource', last: undefined };
const unbound: Refused = { reason: 'binding-mismatch', last: undefined };
const unmatched: Refused = { reason: 'no-matching-statement', last: undefined };
const untimely: Refused = { reason: 'outside-time-window', last: undefined };

function refuse(refused: Refused, changesAt: number): Decision {
  const { reason, last } = refused;
  if (last !== undefined && last.changesAt === changesAt) return last;
  return (refused.last = { allowed: false, reason, statement: undefined, changesAt });
}

function lookUpDenies(index: Index, how: number, levels: Levels): void {
  const { trie, always, unfit } = index;
  consider(always);
  for (const { variable, statements } of unfit.values()) {
    if (valueOf(variable, search.principal) === undefined) consider(statements);
  }
  if (how === asName) matchWhole(trie, levels, search.principal, consider);
  else if (how === asFilter) overlap(trie, levels, 0, levels.start, search.principal, consider);
  else matchPath(index, levels);
}

function lookUpAllows(index: Index, how: number, levels: Levels): void {
  const { trie, always, isWide } = index;
  if (isWide && how !== asName && levels.text.charCodeAt(levels.start) === dollar)
    return lookUpReserved(index, how, levels);
  if (always.length > 0) consider(always);
  if (how === asPath) matchPath(index, levels);
  else if (how === asName) matchWhole(trie, levels, search.principal, consider);
  else contain(trie, levels, 0, levels.start, search.principal, consider);
}

const dollar = 0x24;

/** No wildcard of an allow reaches a first level of a topic that starts with $: it must be spelled. */
function lookUpReserved({ trie }: Index, how: number, levels: Levels): void {
  const next = literalAt(trie, levels, 0, levels.start);
  const walk = how === asPath ? match : contain;
  if (next) walk(next, levels, 1, levels.ends[0]! + 1, search.principal, consider);
}

function matchPath({ paths, trie }: Index, levels: Levels): void {
  const { principal } = search;
  if (paths === undefined) return match(trie, levels, 0, levels.start, principal, consider);
  for (let index = 0; index < paths.length; index++) {
    const path = paths[index]!;
    if (isOnPath(path, levels, principal)) considerOne(path.entry);
  }
}

function consider(statements: CompiledStatement[]): void {
  for (let index = 0; index < statements.length; index++) considerOne(statements[index]!);
}

function considerOne(statement: CompiledStatement): void {
  if (statement.actions !== undefined && !statement.actions.has(search.query.action)) return;
  if (statement.condition !== undefined && !holds(statement)) return;
  if (statement.denies) search.deny = first(search.deny, statement);
  else search.allow = first(search.allow, statement);
}

/** Policies are asked in order: what an earlier one said stays. */
function first(one: CompiledStatement | undefined, other: CompiledStatement): CompiledStatement {
  return one !== undefined && (one.policy !== other.policy || one.order <= other.order) ? one : other;
}

function holds({ condition, denies }: CompiledStatement): boolean {
  if (!condition) return true;
  const { principal, query } = search;
  const { context, at, horizon = Infinity } = query;
  if (failingMember(condition, denies, context, principal)) return false;
  const { timeWindows } = condition;
  if (!timeWindows) return true;
  // Every window whose other conditions hold could change the answer at its next edge.
  search.changesAt = Math.min(search.changesAt, timeWindows.nextEdge(at, horizon));
  if (timeWindows.holdsAt(at)) return true;
  if (!denies) search.missedWindow = true;
  return false;
}
