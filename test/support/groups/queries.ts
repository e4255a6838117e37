import type { Random } from '../policy-cases.js';

/** A question about things, in the words of this test: nothing of the server reads or evaluates it. */
export type Asked =
  | { kind: 'all' | 'any'; of: Asked[] }
  | { kind: 'not'; of: Asked }
  | { kind: 'word'; field: string; values: (string | null)[] }
  | { kind: 'time'; field: 'certificate.notAfter' | 'lastSeenAt'; before?: string; after?: string; none?: true };

/** A thing as the API shows it, with what its devices may say of it. */
export type Facts = {
  name: string;
  type: string | null;
  status: string;
  segment: string | null;
  policies: string[];
  attributes: Record<string, string>;
  notAfter: number | null;
  lastSeenAt: number | null;
  ofDevice: string[];
};

type World = { words: Record<string, (string | null)[]>; times: string[] };

/** A random question of a depth. */
export function randomQuestion(random: Random, world: World, depth: number): Asked {
  const kind = depth > 0 ? random.pick(['all', 'any', 'not', 'leaf'] as const) : 'leaf';
  if (kind === 'not') return { kind, of: randomQuestion(random, world, depth - 1) };
  if (kind !== 'leaf') {
    const of = Array.from({ length: 1 + random.below(3) }, () => randomQuestion(random, world, depth - 1));
    return { kind, of };
  }
  if (random.chance(0.2)) return randomTime(random, world);
  const field = random.pick(Object.keys(world.words));
  const values = Array.from({ length: 1 + random.below(2) }, () => random.pick(world.words[field]!));
  return { kind: 'word', field, values: [...new Set(values)] };
}

function randomTime(random: Random, { times }: World): Asked {
  const field = random.pick(['certificate.notAfter', 'lastSeenAt'] as const);
  if (random.chance(0.2)) return { kind: 'time', field, none: true };
  if (random.chance(0.3)) return { kind: 'time', field, before: random.pick(times), after: random.pick(times) };
  return random.chance(0.5)
    ? { kind: 'time', field, before: random.pick(times) }
    : { kind: 'time', field, after: random.pick(times) };
}

/** The question in the text form. */
export function asText(asked: Asked, random: Random): string {
  const group = (each: Asked) => `(${asText(each, random)})`;
  switch (asked.kind) {
    case 'all':
      return asked.of.map(group).join(random.pick([' and ', ' AND ', '\tand ']));
    case 'any':
      return asked.of.map(group).join(' or ');
    case 'not':
      return `not ${group(asked.of)}`;
    case 'word':
      return wordText(asked.field, asked.values, random);
    case 'time': {
      const { field, before, after, none } = asked;
      if (none) return `${field} = null`;
      return [...(before ? [`${field} < ${before}`] : []), ...(after ? [`${field} > "${after}"`] : [])].join(' and ');
    }
  }
}

function wordText(field: string, values: (string | null)[], random: Random): string {
  const said = values.map((value) =>
    value === null
      ? 'null'
      : value !== 'null' && /^[A-Za-z0-9:_*?-]+$/.test(value) && random.chance(0.5)
        ? value
        : `"${value.replace(/["\\]/g, '\\$&')}"`,
  );
  if (said.length > 1 || random.chance(0.3)) return `${field} in (${said.join(', ')})`;
  return random.chance(0.2) ? `not ${field} != ${said[0]!}` : `${field}=${said[0]!}`;
}

/** The same as an object. */
export function asObject(asked: Asked): object {
  switch (asked.kind) {
    case 'all':
      return { and: asked.of.map(asObject) };
    case 'any':
      return { or: asked.of.map(asObject) };
    case 'not':
      return { not: asObject(asked.of) };
    case 'word': {
      const values = asked.values.length === 1 ? asked.values[0] : asked.values;
      if (!asked.field.startsWith('attributes.')) return { [asked.field]: values };
      return { attributes: { [asked.field.slice(11)]: values } };
    }
    case 'time': {
      const { field, before, after, none } = asked;
      const times = none ? null : { ...(before ? { before } : {}), ...(after ? { after } : {}) };
      return field === 'lastSeenAt' ? { lastSeenAt: times } : { certificate: { notAfter: times } };
    }
  }
}

/** True, false, or undefined where only what a device says could tell. */
export function answer(asked: Asked, facts: Facts, now: number, trusted: boolean): boolean | undefined {
  switch (asked.kind) {
    case 'all': {
      const all = asked.of.map((each) => answer(each, facts, now, trusted));
      return all.includes(false) ? false : all.includes(undefined) ? undefined : true;
    }
    case 'any': {
      const all = asked.of.map((each) => answer(each, facts, now, trusted));
      return all.includes(true) ? true : all.includes(undefined) ? undefined : false;
    }
    case 'not': {
      const of = answer(asked.of, facts, now, trusted);
      return of === undefined ? undefined : !of;
    }
    case 'word':
      return wordAnswer(asked.field, asked.values, facts, trusted);
    case 'time': {
      const at = asked.field === 'lastSeenAt' ? facts.lastSeenAt : facts.notAfter;
      if (asked.none) return at === null;
      if (at === null) return false;
      const { before, after } = asked;
      return (!before || at < instant(before, now)) && (!after || at > instant(after, now));
    }
  }
}

function wordAnswer(field: string, values: (string | null)[], facts: Facts, trusted: boolean): boolean | undefined {
  if (field.startsWith('attributes.')) {
    const name = field.slice(11);
    if (trusted && facts.ofDevice.includes(name)) return undefined;
    return values.includes(facts.attributes[name] ?? null);
  }
  if (field === 'policies')
    return facts.policies.length === 0 ? values.includes(null) : facts.policies.some((each) => values.includes(each));
  if (field === 'name') return values.some((value) => globbed(value!, facts.name));
  return values.includes(facts[field as 'type' | 'status' | 'segment']);
}

/** A glob by recursion over both texts. */
function globbed(glob: string, text: string): boolean {
  if (glob === '') return text === '';
  if (glob[0] === '*') return globbed(glob.slice(1), text) || (text !== '' && globbed(glob, text.slice(1)));
  return text !== '' && (glob[0] === '?' || glob[0] === text[0]) && globbed(glob.slice(1), text.slice(1));
}

const ms: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

function instant(text: string, now: number): number {
  if (text === 'now') return now;
  if (text.includes('T')) return Date.parse(text);
  return now + Number(text.slice(0, -1)) * ms[text.at(-1)!]!;
}
