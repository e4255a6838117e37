import { BlockList, isIP } from 'node:net';
import type { Context } from '../../src/policy/condition.js';
import type { Condition, Statement, TimeWindow } from '../../src/policy/document.js';

/**
 * The semantics of policies a second time, plainly: every statement is looked at, topics are compared one by
 * one, and what a filter reaches is found by trying every topic of a finite universe.
 */
export type Asked = {
  account: string;
  thing: { name: string; type?: string; attributes: Record<string, string> };
  serialNumber?: string;
  action: string;
  resource: string;
  /** `receive` of every topic of a filter. */
  whole?: boolean;
  context: Context;
  at: number;
};

type Verdict = { allowed: boolean; reason: string; statement?: string };

/** Levels that make up the universe: every literal of the cases, one that none uses, the empty one, one with `$`. */
export const universeLevels = ['a', 'b', 'n', 'z', '', '$s'];
const depth = 5;
const universe = allTopics();

function allTopics(): string[][] {
  const topics: string[][] = [];
  let longest: string[][] = [[]];
  for (let level = 0; level < depth; level++) {
    longest = longest.flatMap((topic) => universeLevels.map((text) => [...topic, text]));
    topics.push(...longest);
  }
  return topics.filter((topic) => topic.join('/') !== '');
}

type Reach = 'spelled $' | 'any $';

/** MQTT 5.0 §4.7, level by level. */
function reaches(filter: string[], topic: string[], reach: Reach): boolean {
  if (reach === 'spelled $' && topic[0]!.startsWith('$') && filter[0] !== topic[0]) return false;
  for (let level = 0; ; level++) {
    if (filter[level] === '#') return true;
    if (level === filter.length || level === topic.length)
      return filter.length === topic.length || (level === topic.length && filter[level] === '#');
    if (filter[level] !== '+' && filter[level] !== topic[level]) return false;
  }
}

const sets = new Map<string, Uint8Array>();

function topicsOf(filter: string, reach: Reach): Uint8Array {
  const key = `${reach} ${filter}`;
  const known = sets.get(key);
  if (known) return known;
  const levels = filter.split('/');
  const set = Uint8Array.from(universe, (topic) => (reaches(levels, topic, reach) ? 1 : 0));
  sets.set(key, set);
  return set;
}

const relations = new Map<string, boolean>();

function related(kind: 'inside' | 'overlap', asked: string, filter: string, reach: Reach): boolean {
  const key = `${kind} ${reach} ${asked} ${filter}`;
  const known = relations.get(key);
  if (known !== undefined) return known;
  const [one, other] = [topicsOf(asked, 'spelled $'), topicsOf(filter, reach)];
  const result =
    kind === 'inside'
      ? one.every((member, index) => member === 0 || other[index] === 1)
      : one.some((member, index) => member === 1 && other[index] === 1);
  if (relations.size < 500_000) relations.set(key, result);
  return result;
}

export function evaluate(
  policies: { name: string; version: number; statements: Statement[] }[],
  asked: Asked,
): Verdict {
  const statements = policies.flatMap(({ name, version, statements: own }) =>
    own.map((statement) => ({ ...statement, name: `${name}@${version}/${statement.id}` })),
  );
  const normal = normalise(asked);
  if (normal === undefined) return { allowed: false, reason: 'malformed-resource' };
  const isTopic = ['publish', 'subscribe', 'receive'].includes(asked.action);
  if (isTopic && asked.context.clientId !== undefined) {
    const connect = { ...asked, action: 'connect', resource: `client:${asked.context.clientId}` };
    if (normalise(connect) === undefined || !judge(statements, connect, `client:${asked.context.clientId}`).allowed)
      return { allowed: false, reason: 'binding-mismatch' };
  }
  return judge(statements, asked, normal);
}

function judge(statements: (Statement & { name: string })[], asked: Asked, resource: string): Verdict {
  const denying = statements.find(
    (statement) => statement.effect === 'deny' && applies(statement, asked, resource) && whole(statement, asked),
  );
  if (denying) return { allowed: false, reason: 'statement', statement: denying.name };
  const allowing = statements.filter(
    (statement) => statement.effect === 'allow' && applies(statement, asked, resource),
  );
  const holding = allowing.find((statement) => whole(statement, asked));
  if (holding) return { allowed: true, reason: 'statement', statement: holding.name };
  const late = allowing.some((statement) => others(statement.condition ?? {}, false, asked));
  return { allowed: false, reason: late ? 'outside-time-window' : 'no-matching-statement' };
}

function whole({ condition = {}, effect }: Statement, asked: Asked): boolean {
  const windows = condition.timeWindows;
  return (
    others(condition, effect === 'deny', asked) && (!windows || windows.some((window) => isInside(window, asked.at)))
  );
}

function applies({ effect, actions, resources }: Statement, asked: Asked, resource: string): boolean {
  const named = (action: string) => actions.includes('*') || actions.includes(action);
  const subscribesDenied = effect === 'deny' && asked.action === 'subscribe' && named('receive');
  if (!named(asked.action) && !subscribesDenied) return false;
  return resources.some((written) => covers(effect, written, asked, resource));
}

function covers(effect: Statement['effect'], written: string, asked: Asked, resource: string): boolean {
  const [kind, text] = split(resource);
  const isDollar = kind === 'topic' && text.startsWith('$');
  if (written === '*') return effect === 'deny' || !isDollar;
  if (split(written)[0] !== kind) return false;
  const filled = substitute(written, asked);
  if (filled === undefined) return effect === 'deny';
  const pattern = split(filled)[1];
  if (kind === 'topic') return coversTopic(effect, pattern, text, isFilter(asked));
  if (kind === 'http') return coversRequest(pattern, text);
  return pattern === text;
}

function coversTopic(effect: Statement['effect'], pattern: string, text: string, filter: boolean): boolean {
  const reach = effect === 'deny' ? 'any $' : 'spelled $';
  if (!filter) return reaches(pattern.split('/'), text.split('/'), reach);
  return related(effect === 'deny' ? 'overlap' : 'inside', text, pattern, reach);
}

function coversRequest(pattern: string, text: string): boolean {
  const [method, path] = [pattern.slice(0, pattern.indexOf(' ')), pattern.slice(pattern.indexOf(' ') + 2)];
  const [askedMethod, askedPath] = [text.slice(0, text.indexOf(' ')), text.slice(text.indexOf(' ') + 2)];
  if (method !== '*' && method !== askedMethod) return false;
  const expression = path
    .split('/')
    .map((segment) =>
      segment === '+' ? '[^/]+' : segment === '#' ? '.*' : segment.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'),
    )
    .join('/')
    .replace(/(^|\/)\.\*$/, (_, slash: string) => (slash === '' ? '.*' : '(/.*)?'));
  return new RegExp(`^${expression}$`, 's').test(askedPath);
}

const split = (resource: string): [string, string] => [
  resource.slice(0, resource.indexOf(':')),
  resource.slice(resource.indexOf(':') + 1),
];

function substitute(written: string, { account, thing, serialNumber }: Asked): string | undefined {
  let fit = true;
  const filled = written.replace(/\$\{([^}]*)\}/g, (_, name: string) => {
    const values: Record<string, string | undefined> = {
      account,
      'thing.name': thing.name,
      'thing.type': thing.type,
      'certificate.serialNumber': serialNumber,
    };
    const value = name.startsWith('thing.attributes.') ? thing.attributes[name.slice(17)] : values[name];
    if (value === undefined || !/^[A-Za-z0-9:_.@-]{1,128}$/.test(value) || value === '.' || value === '..') fit = false;
    return value ?? '';
  });
  return fit ? filled : undefined;
}

/** The resource as it is compared, or undefined when it is malformed or not of the action's kind. */
function normalise(asked: Asked): string | undefined {
  const { action, resource } = asked;
  const [kind, text] = split(resource);
  const wanted: Record<string, string> = {
    connect: 'client',
    publish: 'topic',
    subscribe: 'topic',
    receive: 'topic',
    request: 'http',
  };
  if (!/^[a-z][a-z0-9_]{0,63}$/.test(action) || (wanted[action] ?? 'endpoint') !== kind) return undefined;
  if (kind === 'endpoint') return /^[a-z0-9_-]{1,64}$/.test(text) ? resource : undefined;
  if (kind === 'http') return normaliseRequest(text);
  if (/[\0\p{Cs}]/u.test(text) || text === '') return undefined;
  return kind === 'client' ? resource : normaliseTopic(isFilter(asked), text);
}

/** A subscription is a filter, and so is what may be received as a whole. */
const isFilter = ({ action, whole: every }: Asked): boolean =>
  action === 'subscribe' || (action === 'receive' && every === true);

function normaliseTopic(filter: boolean, text: string): string | undefined {
  const levels = text.split('/');
  if (Buffer.byteLength(text) > 65_535 || levels.length > 128) return undefined;
  if (!filter) return /[+#]/.test(text) ? undefined : `topic:${text}`;
  if (levels.some((level) => /[+#]/.test(level) && level.length > 1) || levels.slice(0, -1).includes('#'))
    return undefined;
  return levels[0] === '$share' ? unshare(levels) : `topic:${text}`;
}

function unshare([, group, ...rest]: string[]): string | undefined {
  const shared = rest.join('/');
  if (!group || /[+#]/.test(group) || shared === '' || rest[0] === '$share') return undefined;
  return `topic:${shared}`;
}

function normaliseRequest(text: string): string | undefined {
  const match = /^([A-Z][A-Z-]*) \/([!-~]*)$/.exec(text);
  if (!match) return undefined;
  const path = match[2]!.split('?')[0]!;
  if (/[\\;#]/.test(path) || /%(2f|5c|00)/i.test(path)) return undefined;
  try {
    const segments = path === '' ? [] : path.split('/').map(decodeURIComponent);
    if (segments.some((segment) => ['', '.', '..'].includes(segment))) return undefined;
    return `http:${match[1]} /${segments.join('/')}`;
  } catch {
    return undefined;
  }
}

/** Every member but the windows; an input that is absent or malformed fails an allow and holds in a deny. */
function others(condition: Condition, denies: boolean, { context, thing }: Asked): boolean {
  const verdicts: (boolean | undefined)[] = [];
  if (condition.sourceCidrs) verdicts.push(isInRanges(condition.sourceCidrs, context.sourceIp));
  if (condition.protocols) {
    const named = context.protocol?.toLowerCase();
    const known = ['mqtt', 'mqtts', 'ws', 'wss', 'http', 'https', 'coap', 'coaps'].includes(named ?? '');
    verdicts.push(known ? condition.protocols.map((name) => name.toLowerCase()).includes(named as never) : undefined);
  }
  for (const [name, values] of Object.entries(condition.attributes ?? {})) {
    const value = Object.entries(thing.attributes).find(([known]) => known === name)?.[1];
    verdicts.push(value === undefined ? undefined : values.includes(value));
  }
  if (condition.retain !== undefined)
    verdicts.push(context.retain === undefined ? undefined : `${context.retain}` === `${condition.retain}`);
  if (condition.qos)
    verdicts.push(
      [0, 1, 2].some((level) => `${level}` === `${context.qos}`)
        ? condition.qos.includes(Number(context.qos))
        : undefined,
    );
  return verdicts.every((verdict) => verdict ?? denies);
}

function isInRanges(cidrs: string[], address: string | undefined): boolean | undefined {
  const bare = address?.replace(/^\[(.*)\](:\d+)?$/, '$1').replace(/^([\d.]+):\d+$/, '$1');
  const plain = bare?.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '') ?? '';
  const version = isIP(plain);
  if (version === 0) return undefined;
  return cidrs.some((cidr) => {
    const [network, bits] = cidr.split('/') as [string, string];
    const list = new BlockList();
    list.addSubnet(network, Number(bits), isIP(network) === 4 ? 'ipv4' : 'ipv6');
    return isIP(network) === version && list.check(plain, version === 4 ? 'ipv4' : 'ipv6');
  });
}

const formats = new Map<string, Intl.DateTimeFormat>();
const names = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

/** The wall clock as Intl tells it; the day before by the calendar. */
function isInside({ from, to, days, timeZone }: TimeWindow, at: number): boolean {
  const format =
    formats.get(timeZone) ??
    new Intl.DateTimeFormat('en-GB', {
      timeZone,
      hourCycle: 'h23',
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
    });
  formats.set(timeZone, format);
  const parts = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]));
  const today = parts['weekday']!.toLowerCase() as (typeof days)[number];
  const yesterday = names[(names.indexOf(today) + 6) % 7] as (typeof days)[number];
  const now = `${parts['hour']}:${parts['minute']}`;
  if (from < to) return days.includes(today) && from <= now && now < to;
  return (days.includes(today) && now >= from) || (days.includes(yesterday) && now < to);
}
