import { actionsOfKind, kindOfAction, resourceKinds, type ResourceKind } from './action.js';
import { compileCondition, type CompiledCondition } from './condition.js';
import { createTrie, insert, insertWhole, type Trie } from './path-trie.js';
import type { Condition, PolicyDocument, Statement } from './document.js';
import { parseResource, type ResourcePattern } from './resource.js';
import { compileTimeWindows, type TimeWindows } from './time/window.js';
import { variablesOf, type Variable } from './variables.js';

/** A statement, ready to be asked. `order` is its place in its policy. */
export type CompiledStatement = {
  /** `sensor@3` */
  policy: string;
  id: string;
  order: number;
  denies: boolean;
  /** The actions that it is about, where its table does not say so; undefined for any. */
  actions: ReadonlySet<string> | undefined;
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
  unfit: Map<string, { variable: Variable; statements: CompiledStatement[] }>;
};

/** What decides one action. */
type ActionTable = { kind: ResourceKind; allows: Index; denies: Index };

/**
 * One version of a policy, compiled once and asked often. It is no larger than the document: the actions on
 * endpoints, of which there can be any number, share a table.
 */
export type CompiledPolicy = {
  /** By the actions that have their own kind of resource. */
  actions: ReadonlyMap<string, ActionTable>;
  endpoints: ActionTable;
};

/** The policies of a thing: of several statements that decide alike, the first policy's is named. */
export type CompiledPolicies = readonly CompiledPolicy[];

/** One version of a policy, under its name. */
export type PolicyVersion = { name: string; version: number; document: PolicyDocument };

/** Compiles policies that were parsed. @throws RangeError for documents that were not */
export function compilePolicies(policies: readonly PolicyVersion[]): CompiledPolicies {
  return policies.map(compilePolicy);
}

/** @throws RangeError for a document that was not parsed */
export function compilePolicy({ name, version, document }: PolicyVersion): CompiledPolicy {
  const tables = namedActions.map(([action, kind]) => [action, createTable(kind)] as const);
  const compiled = { actions: new Map(tables), endpoints: createTable('endpoint') };
  const conditions = createConditions();
  document.statements.forEach((statement, order) => {
    const condition = statement.condition && conditions(statement.condition);
    addStatement(compiled, statement, { policy: `${name}@${version}`, order, condition });
  });
  return compiled;
}

const namedActions = resourceKinds.flatMap((kind) => actionsOfKind(kind).map((action) => [action, kind] as const));

/** Compiles conditions; statements with the same time windows share them. */
function createConditions(): (condition: Condition) => CompiledCondition {
  const known = new Map<string, TimeWindows>();
  const windowsOf = (windows: NonNullable<Condition['timeWindows']>): TimeWindows => {
    const key = JSON.stringify(windows);
    const present = known.get(key);
    if (present) return present;
    const compiled = compileTimeWindows(windows);
    known.set(key, compiled);
    return compiled;
  };
  return (condition) => compileCondition(condition, windowsOf);
}

type Place = Pick<CompiledStatement, 'policy' | 'order' | 'condition'>;

function addStatement(
  { actions: tables, endpoints }: CompiledPolicy,
  { id, effect, actions, resources }: Statement,
  place: Place,
): void {
  const denies = effect === 'deny';
  const patterns = [...new Set(resources)].map(parseResource);
  const any = actions.includes('*');
  const entry = { ...place, id, denies, actions: undefined };
  for (const [action, table] of tables) {
    if (any || actions.includes(action) || (denies && isReceiving(action, actions)))
      addPatterns(table, patterns, entry);
  }
  const others = actions.filter((action) => kindOfAction(action) === 'endpoint');
  if (any) addPatterns(endpoints, patterns, entry);
  else if (others.length > 0) addPatterns(endpoints, patterns, { ...entry, actions: new Set(others) });
}

/** What may not be received may not be subscribed to either. */
function isReceiving(action: string, denied: string[]): boolean {
  return action === 'subscribe' && denied.includes('receive');
}

function addPatterns(table: ActionTable, patterns: ResourcePattern[], entry: CompiledStatement): void {
  for (const pattern of patterns) addPattern(table, pattern, entry);
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
    const key = `${variable.of} ${variable.attribute ?? ''}`;
    const present = unfit.get(key);
    if (!present) unfit.set(key, { variable, statements: [entry] });
    else if (present.statements.at(-1) !== entry) present.statements.push(entry);
  }
}

function createTable(kind: ResourceKind): ActionTable {
  const createIndex = (): Index => ({ empty: true, trie: createTrie(), always: [], unfit: new Map() });
  return { kind, allows: createIndex(), denies: createIndex() };
}
