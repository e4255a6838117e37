import { isInside, overlap, type Filter } from './filters.js';
import type { Right, RightsList } from './rights.js';

/** Subjects that a user of NATS may publish or subscribe to. A deny beats an allow. */
type Subjects = { allow: string[]; deny: string[] };

/** The rights of a session, in the words of NATS. */
export type NatsPermissions = { publish: Subjects; subscribe: Subjects };

/** What NATS delivers messages of QoS 1 and 2 by. No MQTT client can subscribe to it by itself. */
const deliveries = ['$MQTT.sub.>', '$MQTT.deliver.pubrel.>'];

/**
 * What a list of rights is in NATS. It allows nothing that the list does not. What NATS cannot say is left out of allows: conditions,
 * leading wildcards, topics that begin with `$`, and levels with characters that mean something else in subjects. Denies become wider.
 * NATS does not judge what it delivers, so a subscription needs the right to receive everything in it, and none stays that a deny touches.
 */
export function natsPermissions({ allow, deny }: Pick<RightsList, 'allow' | 'deny'>): NatsPermissions {
  const filtersOf = (rights: Right[], action: string): Filter[] =>
    rights.filter((each) => each.action === action).map(filterOf);
  const certain = allow.filter(({ condition }) => condition === undefined);
  const denied = { publish: filtersOf(deny, 'publish'), subscribe: filtersOf(deny, 'subscribe') };
  const received = filtersOf(certain, 'receive');
  const subscribed = filtersOf(certain, 'subscribe').filter(
    (filter) =>
      isSayable(filter) &&
      !isMetByWider(filter) &&
      received.some((each) => isInside(filter, each)) &&
      !denied.subscribe.some((each) => overlap(filter, each)),
  );
  const published = filtersOf(certain, 'publish').filter(isSayable);
  return {
    publish: { allow: distinct(published.flatMap(subjectsOf)), deny: distinct(denied.publish.flatMap(deniedSubjects)) },
    subscribe: { allow: distinct([...subscribed.flatMap(subjectsOf), ...deliveries]), deny: [] },
  };
}

const filterOf = ({ resource }: Right): Filter =>
  resource === '*' ? ['#'] : resource.slice('topic:'.length).split('/');

const isWildcard = (level: string | undefined): boolean => level === '+' || level === '#';

/** Levels that NATS takes as they are. It writes an empty one as a slash. */
const isPlain = (level: string): boolean => level !== '' && !/[\s.*>/\p{Cc}]/u.test(level);

function isSayable(filter: Filter): boolean {
  const [first = ''] = filter;
  return !isWildcard(first) && !first.startsWith('$') && filter.every((level) => isWildcard(level) || isPlain(level));
}

/** HAZARD: NATS compares a subscription by its text, where `*` of an allow matches the `>` that ends a wider one. */
const isMetByWider = (filter: Filter): boolean => filter.findLast((level) => level !== '#') === '+';

const tokenOf = (level: string): string => (level === '+' ? '*' : level);

/** `a/#` is `a` too. */
function subjectsOf(filter: Filter): string[] {
  if (filter.at(-1) !== '#') return [filter.map(tokenOf).join('.')];
  const before = filter.slice(0, -1).map(tokenOf);
  return before.length === 0 ? ['>'] : [before.join('.'), [...before, '>'].join('.')];
}

const deniedSubjects = (filter: Filter): string[] =>
  subjectsOf(filter.map((level) => (isWildcard(level) || isPlain(level) ? level : '+')));

const distinct = (subjects: string[]): string[] => [...new Set(subjects)];
