import { intersectRanges } from '../../address.js';
import { actionsOfKind, kindOfAction, resourceKinds, type ResourceKind } from '../action.js';
import { compileCondition, type CompiledCondition, type Context } from '../condition.js';
import type { Condition, PolicyDocument, Statement } from '../document.js';
import { createLevels } from '../matching/levels.js';
import { readQuery } from '../resource.js';
import { fill, parseTemplate, type Principal } from '../variables.js';

/** What of a condition a context leaves open. `clientId`: the list must allow `connect` with it. */
export type OpenCondition = Pick<Condition, 'sourceCidrs' | 'protocols' | 'retain' | 'qos'> & { clientId?: string };

/**
 * One action on one resource, in the words of a policy with its variables filled in. `*` as a resource is every
 * resource of the action's kind; `*` as an action is every action on the endpoint, and `endpoint:*` every endpoint.
 */
export type Right = {
  action: string;
  resource: string;
  /** Milliseconds since 1970: until then its time windows hold. */
  until?: number;
  condition?: OpenCondition;
};

/** What a principal may do at an instant. Read it as a policy: what is not allowed is denied, and a deny beats every allow. */
export type RightsList = {
  allow: Right[];
  deny: Right[];
  /** Until then (exclusive), or the horizon, time alone does not change the list. */
  changesAt: number;
};

/** What is known when a list is made. A member that the context lacks is left open. */
export type Known = {
  context: Context;
  at: number;
  horizon: number;
  /** What holds for all allows beside their own conditions: the segment of a thing. */
  within?: Condition | undefined;
};

/** A list is no longer than this: whoever has more rights is asked about one by one. */
export const mostRights = 10_000;

/**
 * The rights that policies give a principal; undefined when they are more than {@link mostRights}. For every action,
 * resource and context that says what the known context says, the list decides as {@link decide} does: with nothing
 * left open it is exact. @throws RangeError for documents that were not parsed
 */
export function rightsOf(
  documents: readonly PolicyDocument[],
  principal: Principal,
  known: Known,
): RightsList | undefined {
  const [allow, deny] = [createRights(), createRights()];
  let changesAt = Infinity;
  for (const { statements } of documents) {
    for (const statement of statements) {
      const denies = statement.effect === 'deny';
      const held = settle(statement.condition, denies, principal, known);
      changesAt = Math.min(changesAt, held.changesAt);
      if (!held.holds) continue;
      const open = denies ? held.open : both(held.open, settle(known.within, false, principal, known));
      if (open === 'never') continue;
      const isRoom = addRights(denies ? deny : allow, statement, principal, { until: held.changesAt, open });
      if (!isRoom) return undefined;
    }
  }
  const list = { allow: allow.all(), deny: deny.all(), changesAt };
  return { ...list, allow: bindToClient(list, known.context.clientId) };
}

type Settled = { holds: boolean; open: OpenCondition | undefined; changesAt: number };

const compiledConditions = new WeakMap<Condition, CompiledCondition>();

function compiledOf(condition: Condition): CompiledCondition {
  const present = compiledConditions.get(condition);
  if (present) return present;
  const compiled = compileCondition(condition);
  compiledConditions.set(condition, compiled);
  return compiled;
}

const inputs = { sourceCidrs: 'sourceIp', protocols: 'protocol', retain: 'retain', qos: 'qos' } as const;
type Open = keyof typeof inputs;

const isOpen = (name: string, context: Context): name is Open =>
  Object.hasOwn(inputs, name) && context[inputs[name as Open]] === undefined;

/** What is left of a condition once everything that is known counts. */
function settle(
  condition: Condition | undefined,
  denies: boolean,
  principal: Principal,
  { context, at, horizon }: Known,
): Settled {
  if (!condition) return { holds: true, open: undefined, changesAt: Infinity };
  const { members, timeWindows } = compiledOf(condition);
  const open: OpenCondition = {};
  for (const { name, holds } of members) {
    if (isOpen(name, context)) Object.assign(open, { [name]: condition[name] });
    else if (!(holds(context, principal) ?? denies)) return { holds: false, open: undefined, changesAt: Infinity };
  }
  return {
    holds: timeWindows === undefined || timeWindows.holdsAt(at),
    open: Object.keys(open).length === 0 ? undefined : open,
    changesAt: timeWindows?.nextEdge(at, horizon) ?? Infinity,
  };
}

/** Two conditions as one: undefined where nothing is left open. */
function both(one: OpenCondition | undefined, { holds, open: other }: Settled): OpenCondition | undefined | 'never' {
  if (!holds) return 'never';
  if (!one || !other) return one ?? other;
  const sourceCidrs = common(one.sourceCidrs, other.sourceCidrs, intersectRanges);
  const protocols = common(one.protocols, other.protocols, (names, others) =>
    names.filter((name) => others.includes(name)),
  );
  if (sourceCidrs?.length === 0 || protocols?.length === 0) return 'never';
  return { ...one, ...other, ...(sourceCidrs ? { sourceCidrs } : {}), ...(protocols ? { protocols } : {}) };
}

function common<Item>(
  one: Item[] | undefined,
  other: Item[] | undefined,
  intersect: (one: Item[], other: Item[]) => Item[],
): Item[] | undefined {
  return one && other ? intersect(one, other) : (one ?? other);
}

/** Rights of one effect, each once: of two that differ in their time alone, the longer. */
function createRights() {
  const rights = new Map<string, Right>();
  return {
    /** False when there is no room. */
    add(right: Right): boolean {
      const { until = Infinity, ...rest } = right;
      const key = JSON.stringify(rest);
      const known = rights.get(key);
      if (!known || until > (known.until ?? Infinity)) rights.set(key, right);
      return rights.size <= mostRights;
    },
    all: (): Right[] => [...rights.values()],
  };
}

function addRights(
  rights: ReturnType<typeof createRights>,
  statement: Statement,
  principal: Principal,
  { until, open }: { until: number; open: OpenCondition | undefined },
): boolean {
  const more = { ...(until < Infinity ? { until } : {}), ...(open ? { condition: open } : {}) };
  for (const right of pairsOf(statement, principal)) if (!rights.add({ ...right, ...more })) return false;
  return true;
}

/** Each action of a statement with each of its resources. */
function* pairsOf(
  { effect, actions, resources }: Statement,
  principal: Principal,
): Generator<Pick<Right, 'action' | 'resource'>> {
  for (const written of resources) {
    const resource = rendered(written, effect, principal);
    const pairs = kindsOf(written).flatMap((kind) => actionsOn(kind, actions, effect));
    if (resource === undefined) continue;
    // `*` as an action is any action on endpoints, so its resource has to say that it is one.
    for (const action of pairs)
      yield { action, resource: action === '*' && resource === '*' ? 'endpoint:*' : resource };
  }
}

function kindsOf(resource: string): readonly ResourceKind[] {
  if (resource === '*') return resourceKinds;
  return resourceKinds.filter((kind) => resource.startsWith(`${kind}:`));
}

function actionsOn(kind: ResourceKind, named: string[], effect: Statement['effect']): string[] {
  if (named.includes('*')) return kind === 'endpoint' ? ['*'] : actionsOfKind(kind);
  const own = named.filter((action) => kindOfAction(action) === kind);
  // What may not be received may not be subscribed to either.
  return effect === 'deny' && own.includes('receive') ? [...own, 'subscribe'] : own;
}

/** A resource for one thing: without a fitting value nothing of an allow, and everything of its kind in a deny. */
function rendered(written: string, effect: Statement['effect'], principal: Principal): string | undefined {
  const template = parseTemplate(written);
  const filled = template ? fill(template, principal) : written;
  return filled ?? (effect === 'allow' ? undefined : '*');
}

const topicActions = actionsOfKind('topic');
const session = createLevels();

/** Topics are for sessions whose client id may connect: what of the allows that leaves. */
function bindToClient({ allow, deny }: RightsList, clientId: string | undefined): Right[] {
  if (clientId === undefined) return allow;
  const connects = connectsWith({ allow, deny }, clientId);
  if (connects === 'yes') return allow;
  const others = ({ action }: Right) => !topicActions.includes(action);
  if (connects === 'no') return allow.filter(others);
  return allow.map((right) => (others(right) ? right : { ...right, condition: { ...right.condition, clientId } }));
}

function connectsWith({ allow, deny }: Pick<RightsList, 'allow' | 'deny'>, clientId: string): 'yes' | 'no' | 'open' {
  if (!readQuery('client', `client:${clientId}`, session)) return 'no';
  const about = ({ action, resource }: Right) =>
    action === 'connect' && (resource === '*' || resource === `client:${clientId}`);
  const [allows, denies] = [allow.filter(about), deny.filter(about)];
  const isCertain = ({ condition }: Right) => condition === undefined;
  if (allows.length === 0 || denies.some(isCertain)) return 'no';
  return denies.length === 0 && allows.some(isCertain) ? 'yes' : 'open';
}
