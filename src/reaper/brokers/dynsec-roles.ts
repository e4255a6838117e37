import { createHash } from 'node:crypto';
import type { Right } from '../../policy/rights/rights.js';

/** A rule of a role of Mosquitto's dynamic security. */
export type Acl = { acltype: AclType; topic: string; priority: number; allow: boolean };

type AclType = 'publishClientSend' | 'publishClientReceive' | 'subscribePattern' | 'unsubscribePattern';

/** A role as the reaper makes it: its name says what is in it. */
export type Role = { rolename: string; acls: Acl[] };

/** Roles with this in front are the reaper's. */
export const rolePrefix = 'thingward-';

const types: Readonly<Record<string, AclType>> = {
  publish: 'publishClientSend',
  receive: 'publishClientReceive',
  subscribe: 'subscribePattern',
};
const priorities = { allow: 0, deny: 1 };
const shownDigits = 24;

/**
 * The role for a list of rights; undefined for whoever may not connect. What the plugin cannot express is left out of what is allowed,
 * never out of what is denied: conditions, and texts that later versions read as variables.
 */
export function roleOf({ allow, deny }: { allow: readonly Right[]; deny: readonly Right[] }): Role | undefined {
  if (!allow.some(({ action }) => action === 'connect')) return undefined;
  if (deny.some(({ action, resource, condition }) => action === 'connect' && resource === '*' && !condition))
    return undefined;
  const allowed = allow.filter(({ condition }) => condition === undefined).flatMap((right) => aclOf(right, true));
  const denied = deny.flatMap((right) => aclOf(right, false));
  const every: Acl = { acltype: 'unsubscribePattern', topic: '#', priority: 0, allow: true };
  const texts = new Set([...denied, ...allowed, every].map((acl) => JSON.stringify(acl)));
  const sorted = [...texts].sort();
  const digest = createHash('sha256').update(sorted.join('\n')).digest('hex').slice(0, shownDigits);
  return { rolename: `${rolePrefix}${digest}`, acls: sorted.map((text) => JSON.parse(text) as Acl) };
}

function aclOf({ action, resource }: Right, allow: boolean): Acl[] {
  const acltype = types[action];
  if (acltype === undefined) return [];
  const topic = resource === '*' ? '#' : resource.slice('topic:'.length);
  if (/%[cu]/.test(topic)) return allow ? [] : [{ acltype, topic: wider(topic), priority: priorities.deny, allow }];
  return [{ acltype, topic, priority: allow ? priorities.allow : priorities.deny, allow }];
}

/** A filter without the levels that could be read as variables. */
function wider(topic: string): string {
  return topic
    .split('/')
    .map((level) => (/%[cu]/.test(level) ? '+' : level))
    .join('/');
}

/** Whether two lists of rules say the same, in whatever order. */
export function isSame(one: readonly Partial<Acl>[], other: readonly Partial<Acl>[]): boolean {
  const texts = (acls: readonly Partial<Acl>[]): string =>
    acls
      .map(({ acltype, topic, priority = 0, allow }) => JSON.stringify([acltype, topic, priority, allow]))
      .sort()
      .join('\n');
  return texts(one) === texts(other);
}
