import { actionsOfKind, kindOfAction, resourceKinds, type ResourceKind } from './action.js';
import type { Context } from './condition.js';
import type { Condition, Statement } from './document.js';
import { parseResource } from './resource.js';
import { renderStatement, type Principal } from './variables.js';

/** A question that a statement was written for. */
export type Probe = { action: string; resource: string; context: Context };

/**
 * Questions that the statements of two versions answer for one thing: one for each action and resource, wildcards
 * filled with `x`. What differs between the versions comes first, so that whoever stops early has seen it.
 */
export function* probesOf(before: Statement[], after: Statement[], principal: Principal): Generator<Probe> {
  const known = new Set(before.map((statement) => JSON.stringify(statement)));
  const kept = new Set(after.map((statement) => JSON.stringify(statement)).filter((text) => known.has(text)));
  const isKept = (statement: Statement) => kept.has(JSON.stringify(statement));
  const added = after.filter((statement) => !isKept(statement));
  const removed = before.filter((statement) => !isKept(statement));
  for (const statement of [...alternate(removed, added), ...after.filter(isKept)]) {
    const rendered = renderStatement(statement, principal);
    if (rendered) yield* probesOfStatement(rendered);
  }
}

function alternate<Item>(ones: Item[], others: Item[]): Item[] {
  const length = Math.max(ones.length, others.length);
  return Array.from({ length }, (_, index) => [
    ...ones.slice(index, index + 1),
    ...others.slice(index, index + 1),
  ]).flat();
}

function* probesOfStatement({ actions, resources, condition }: Statement): Generator<Probe> {
  const context = contextFor(condition);
  for (const resource of resources) {
    for (const kind of kindsOf(resource)) {
      for (const action of actionsFor(actions, kind))
        yield { action, resource: concrete(resource, kind, action), context };
    }
  }
}

function kindsOf(resource: string): readonly ResourceKind[] {
  const { kind } = parseResource(resource);
  return kind === undefined ? resourceKinds : [kind];
}

function actionsFor(actions: string[], kind: ResourceKind): string[] {
  if (actions.includes('*')) return kind === 'endpoint' ? ['read'] : actionsOfKind(kind);
  return actions.filter((action) => kindOfAction(action) === kind);
}

function concrete(resource: string, kind: ResourceKind, action: string): string {
  if (resource === '*')
    return { topic: 'topic:x', client: 'client:x', endpoint: 'endpoint:x', http: 'http:GET /x' }[kind];
  if (kind === 'topic') return action === 'subscribe' ? resource : `topic:${fillWildcards(resource.slice(6))}`;
  if (kind !== 'http') return resource;
  const path = resource.indexOf(' /');
  const method = resource.slice('http:'.length, path);
  return `http:${method === '*' ? 'GET' : method} ${fillWildcards(resource.slice(path + 1))}`;
}

const fillWildcards = (path: string): string =>
  path
    .split('/')
    .map((level) => (level === '+' || level === '#' ? 'x' : level))
    .join('/');

/** A context that a condition holds in, its windows apart. */
function contextFor(condition: Condition | undefined): Context {
  const { sourceCidrs, protocols, retain, qos } = condition ?? {};
  return {
    ...(sourceCidrs ? { sourceIp: sourceCidrs[0]!.split('/')[0]! } : {}),
    ...(protocols ? { protocol: protocols[0]! } : {}),
    ...(retain === undefined ? {} : { retain }),
    ...(qos ? { qos: qos[0]! } : {}),
  };
}
