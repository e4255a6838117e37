import { kindOfAction, kindsByPlace, placeOf, type ResourceKind } from './action.js';
import { compileCondition, type CompiledCondition } from './condition.js';
import { createTrie, insert, insertWhole, type Trie } from './matching/path-trie.js';
import type { Condition, PolicyDocument, Statement } from './document.js';
import { createPath, mostPaths, type Path } from './matching/paths.js';
import { parseResource, type Level, type ResourcePattern } from './resource.js';
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
  /** The last answer that it decided, given again while it is the same. */
  decision: Decision | undefined;
};

type DecisionReason =
  'statement' | 'no-matching-statement' | 'outside-time-window' | 'malformed-resource' | 'binding-mismatch';

/**
 * An answer. `statement` is set when one decided; until `changesAt` (exclusive), or the horizon, time alone does
 * not change the answer. Equal answers may be one object.
 */
export type Decision = {
  readonly allowed: boolean;
  readonly reason: DecisionReason;
  readonly statement: CompiledStatement | undefined;
  readonly changesAt: number;
};

/** The statements of one effect that an action can meet. */
export type Index = {
  /** By resource. */
  trie: Trie<CompiledStatement>;
  /** The same resources while they are few. */
  paths: Path<CompiledStatement>[] | undefined;
  /** True when the first level may be more than a text or a value: such an allow does not reach what begins with `$`. */
  isWide: boolean;
  /** Those with `*`: any resource. */
  always: CompiledStatement[];
  /** Denies that hold whatever the resource when the variable has no fitting value. */
  unfit: Map<string, { variable: Variable; statements: CompiledStatement[] }>;
};

/** What decides one action. */
type ActionTable = { kind: ResourceKind; allows: Index | undefined; denies: Index | undefined };

/**
 * One version of a policy, compiled once and asked often: a table for each {@link placeOf} an action. It is no larger than
 * the document, because the actions on endpoints, of which there can be any number, share the last.
 */
export type CompiledPolicy = readonly ActionTable[];

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
  const compiled = kindsByPlace.map(createTable);
  const conditions = createConditions();
  document.statements.forEach((statement, order) => {
    const condition = statement.condition && conditions(statement.condition);
    addStatement(compiled, statement, { policy: `${name}@${version}`, order, condition });
  });
  return compiled;
}

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
  compiled: CompiledPolicy,
  { id, effect, actions, resources }: Statement,
  { policy, order, condition }: Place,
): void {
  const denies = effect === 'deny';
  const patterns = [...new Set(resources)].map(parseResource);
  const any = actions.includes('*');
  const create = (of: CompiledStatement['actions']): CompiledStatement => ({
    policy,
    id,
    order,
    denies,
    actions: of,
    condition,
    decision: undefined,
  });
  const entry = create(undefined);
  for (const [action, place] of namedPlaces) {
    if (any || actions.includes(action) || (denies && isReceiving(action, actions)))
      addPatterns(compiled[place]!, patterns, entry);
  }
  const others = actions.filter((action) => kindOfAction(action) === 'endpoint');
  const endpoints = compiled[placeOf.others]!;
  if (any) addPatterns(endpoints, patterns, entry);
  else if (others.length > 0) addPatterns(endpoints, patterns, create(new Set(others)));
}

const namedPlaces = Object.entries(placeOf).filter(([, place]) => place !== placeOf.others);

/** What may not be received may not be subscribed to either. */
function isReceiving(action: string, denied: string[]): boolean {
  return action === 'subscribe' && denied.includes('receive');
}

function addPatterns(table: ActionTable, patterns: ResourcePattern[], entry: CompiledStatement): void {
  for (const pattern of patterns) addPattern(table, pattern, entry);
}

function addPattern(table: ActionTable, { kind, levels }: ResourcePattern, entry: CompiledStatement): void {
  if (kind !== undefined && kind !== table.kind) return;
  const index = entry.denies ? (table.denies ??= createIndex()) : (table.allows ??= createIndex());
  if (kind === undefined) {
    index.isWide = true;
    return void index.always.push(entry);
  }
  if (kind === 'topic' || kind === 'http') addLevels(index, levels, entry);
  else insertWhole(index.trie, levels[0]!, entry);
  if (entry.denies)
    for (const level of levels) if (typeof level !== 'string') addUnfit(index, variablesOf(level), entry);
}

function addLevels(index: Index, levels: Level[], entry: CompiledStatement): void {
  insert(index.trie, levels, entry);
  if (!isNarrow(levels[0]!)) index.isWide = true;
  index.paths?.push(createPath(levels, entry));
  if (index.paths && index.paths.length > mostPaths) index.paths = undefined;
}

/** A text, or one variable, whose values never begin with `$`. */
function isNarrow(level: Level): boolean {
  return typeof level === 'string' ? level !== '+' && level !== '#' : level.whole !== undefined;
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
  return { kind, allows: undefined, denies: undefined };
}

function createIndex(): Index {
  return { isWide: false, trie: createTrie(), paths: [], always: [], unfit: new Map() };
}
