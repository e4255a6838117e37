import { actionsOfKind, kindOfAction, resourceKinds, type ResourceKind } from './action.js';
import { compileCondition, type CompiledCondition } from './condition.js';
import { createTrie, insert, insertWhole, type Trie } from './path-trie.js';
import type { PolicyDocument, Statement } from './policy.js';
import { parseResource, type ResourcePattern } from './resource.js';
import { variablesOf, type Variable } from './variables.js';

/** A statement, ready to be asked. `order` is its place among all statements of the policies together. */
export type CompiledStatement = {
  /** `sensor@3` */
  policy: string;
  id: string;
  order: number;
  denies: boolean;
  condition: CompiledCondition | undefined;
};

/** The statements of one effect that an action can meet. */
export type Index = {
  /** By resource. */
  trie: Trie<CompiledStatement>;
  /** True when no statement stands here: most denies. */
  empty: boolean;
  /** Those with `*`: any resource. */
  always: CompiledStatement[];
  /** Denies that hold whatever the resource when the variable has no fitting value. */
  unfit: { variable: Variable; statements: CompiledStatement[] }[];
};

/** What decides one action. */
export type ActionTable = { kind: ResourceKind; allows: Index; denies: Index };

/** The policies of a thing, all statements together, compiled once and asked often. */
export type CompiledPolicies = {
  actions: ReadonlyMap<string, ActionTable>;
  /** For actions on endpoints that no statement names. */
  otherEndpoints: ActionTable;
};

export type PolicyVersion = { name: string; version: number; document: PolicyDocument };

/** Compiles policies that were parsed. @throws RangeError for documents that were not */
export function compilePolicies(policies: readonly PolicyVersion[]): CompiledPolicies {
  const statements = policies.flatMap(({ name, version, document }) =>
    document.statements.map((statement) => ({ policy: `${name}@${version}`, statement })),
  );
  const actions = new Map<string, ActionTable>();
  for (const kind of resourceKinds) for (const action of actionsOfKind(kind)) actions.set(action, createTable(kind));
  for (const action of statements.flatMap(({ statement }) => statement.actions)) {
    if (kindOfAction(action) === 'endpoint' && !actions.has(action)) actions.set(action, createTable('endpoint'));
  }
  const compiled = { actions, otherEndpoints: createTable('endpoint') };
  statements.forEach(({ policy, statement }, order) => addStatement(compiled, statement, { policy, order }));
  return compiled;
}

type MutablePolicies = { actions: Map<string, ActionTable>; otherEndpoints: ActionTable };

function addStatement(
  compiled: MutablePolicies,
  { id, effect, actions, resources, condition }: Statement,
  place: { policy: string; order: number },
): void {
  const denies = effect === 'deny';
  const entry = { ...place, id, denies, condition: condition && compileCondition(condition) };
  const patterns = resources.map(parseResource);
  for (const table of tablesOf(compiled, actions, denies)) {
    for (const pattern of patterns) addPattern(table, pattern, entry);
  }
}

/** The tables that a statement stands in. What may not be received may not be subscribed to either. */
function tablesOf({ actions, otherEndpoints }: MutablePolicies, named: string[], denies: boolean): Set<ActionTable> {
  if (named.includes('*')) return new Set([...actions.values(), otherEndpoints]);
  const reached = denies && named.includes('receive') ? [...named, 'subscribe'] : named;
  return new Set(reached.map((action) => actions.get(action)!));
}

function addPattern(table: ActionTable, { kind, levels }: ResourcePattern, entry: CompiledStatement): void {
  const index = entry.denies ? table.denies : table.allows;
  if (kind === undefined || kind === table.kind) index.empty = false;
  if (kind === undefined) return void index.always.push(entry);
  if (kind !== table.kind) return;
  if (kind === 'topic' || kind === 'http') insert(index.trie, levels, entry);
  else insertWhole(index.trie, levels[0]!, entry);
  if (entry.denies)
    for (const level of levels) if (typeof level !== 'string') addUnfit(index, variablesOf(level), entry);
}

function addUnfit({ unfit }: Index, variables: Variable[], entry: CompiledStatement): void {
  for (const variable of variables) {
    const present = unfit.find((known) => isSame(known.variable, variable));
    if (present) present.statements.push(entry);
    else unfit.push({ variable, statements: [entry] });
  }
}

function isSame(one: Variable, other: Variable): boolean {
  return one.of === other.of && one.attribute === other.attribute;
}

function createTable(kind: ResourceKind): ActionTable {
  const createIndex = (): Index => ({ empty: true, trie: createTrie(), always: [], unfit: [] });
  return { kind, allows: createIndex(), denies: createIndex() };
}
