import { actionsOfKind, kindOfAction, resourceKinds, type ResourceKind } from './action.js';
import type { Context } from './condition.js';
import type { Condition, PolicyDocument, Statement } from './policy.js';
import { parseResource } from './resource.js';
import { renderPolicy, type Variables } from './variables.js';

/** A question that a statement was written for. */
export type Probe = { action: string; resource: string; context: Context };

/** Questions that a document's statements answer for one thing: one for each action and resource, wildcards filled with `x`. */
export function probesOf(document: PolicyDocument, variables: Variables): Probe[] {
  return renderPolicy(document, variables).flatMap(probesOfStatement);
}

function probesOfStatement({ actions, resources, condition }: Statement): Probe[] {
  const context = contextFor(condition);
  return resources.flatMap((resource) =>
    kindsOf(resource).flatMap((kind) =>
      actionsFor(actions, kind).map((action) => ({ action, resource: concrete(resource, kind, action), context })),
    ),
  );
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
