import type { Right, RightsList } from './rights.js';
import { isInside, overlap, type Filter } from './filters.js';

/**
 * A rule of EMQX's access lists, version 2. The first that matches decides. It compares a subscription by the text of its
 * filter, level by level: `+` in a rule matches any level of it, `#` too.
 */
export type EmqxRule = {
  permission: 'allow' | 'deny';
  action: 'publish' | 'subscribe' | 'all';
  topic: string;
  qos?: number[];
  retain?: boolean;
};

/** The last rule: without it EMQX asks its other sources, and then allows by default. */
const nothingElse: EmqxRule = { permission: 'deny', action: 'all', topic: '#' };

/**
 * What EMQX is told when a session begins. It allows nothing that the list does not: EMQX does not judge what it delivers,
 * so a subscription needs the right to receive everything in it as well, and none stays that a deny touches.
 */
export function emqxRules({ allow, deny }: Pick<RightsList, 'allow' | 'deny'>): EmqxRule[] {
  const denied = {
    publish: deny.filter(({ action }) => action === 'publish').map(deniedFilter),
    subscribe: deny.filter(({ action }) => action === 'subscribe').map(deniedFilter),
  };
  const received = allow.filter(isReceivedAlways).map(filterOf);
  const publishes = allow.filter(({ action }) => action === 'publish');
  const subscribes = allow.filter(({ action }) => action === 'subscribe');
  return distinct([
    ...denied.publish.map((filter) => denyRule('publish', filter)),
    ...denied.subscribe.map((filter) => denyRule('subscribe', filter)),
    ...publishes.flatMap((right) => publishRules(right, denied.publish)),
    ...subscribes.flatMap((right) => subscribeRules(right, denied.subscribe, received)),
    nothingElse,
  ]);
}

const filterOf = ({ resource }: Right): Filter =>
  resource === '*' ? ['#'] : resource.slice('topic:'.length).split('/');

const isReceivedAlways = ({ action, condition }: Right): boolean => action === 'receive' && condition === undefined;

/** Text that EMQX reads as something else: a variable, or `eq ` before what is meant literally. */
const isRead = (level: string, index: number): boolean =>
  /\$\{|%[cu]/.test(level) || (index === 0 && level.startsWith('eq '));

/** What a deny reaches, and more where EMQX cannot say it. */
const deniedFilter = (right: Right): Filter =>
  filterOf(right).map((level, index) => (isRead(level, index) ? '+' : level));

const denyRule = (action: 'publish' | 'subscribe', filter: Filter): EmqxRule => ({
  permission: 'deny',
  action,
  topic: filter.join('/'),
});

/** Versions differ about whether a leading wildcard reaches what begins with `$`, so no allow relies on either. */
function isSayable(filter: Filter, denied: Filter[]): boolean {
  const [first = ''] = filter;
  if (first === '+' || first === '#' || filter.some(isRead)) return false;
  return (
    !first.startsWith('$') || !denied.some((each) => (each[0] === '+' || each[0] === '#') && overlap(filter, each))
  );
}

function publishRules(right: Right, denied: Filter[]): EmqxRule[] {
  const { sourceCidrs, protocols, clientId, retain, qos } = right.condition ?? {};
  const filter = filterOf(right);
  if (sourceCidrs || protocols || clientId !== undefined || !isSayable(filter, denied)) return [];
  const said = { ...(qos ? { qos } : {}), ...(retain === undefined ? {} : { retain }) };
  return [{ permission: 'allow', action: 'publish', topic: filter.join('/'), ...said }];
}

function subscribeRules(right: Right, denied: Filter[], received: Filter[]): EmqxRule[] {
  const { sourceCidrs, protocols, clientId, retain, qos } = right.condition ?? {};
  const filter = filterOf(right);
  if (sourceCidrs || protocols || clientId !== undefined || retain !== undefined) return [];
  if (!isSayable(filter, denied) || denied.some((each) => overlap(filter, each))) return [];
  if (!received.some((each) => isInside(filter, each))) return [];
  const wider = widerTexts(filter);
  if (wider === undefined) return [];
  const allowed: EmqxRule = {
    permission: 'allow',
    action: 'subscribe',
    topic: filter.join('/'),
    ...(qos ? { qos } : {}),
  };
  return [...wider.map((text) => denyRule('subscribe', [`eq ${text}`])), allowed];
}

/**
 * The filters that match by their text and ask for more: `a/#` matches `a/+`. Undefined when they cannot be listed.
 * Only a `+` with no other level than wildcards after it can be met by a `#`, which ends a filter.
 */
function widerTexts(filter: Filter): string[] | undefined {
  let end = filter.length;
  while (end > 0 && (filter[end - 1] === '+' || filter[end - 1] === '#')) end--;
  const tail = filter.slice(end);
  const pluses = tail.filter((level) => level === '+').length;
  if (pluses === 0) return [];
  return pluses === 1 && !filter.slice(0, end).includes('+') ? [[...filter.slice(0, end), '#'].join('/')] : undefined;
}

function distinct(rules: EmqxRule[]): EmqxRule[] {
  return [...new Map(rules.map((rule) => [JSON.stringify(rule), rule])).values()];
}
