import type { Random } from '../policy-cases.js';

const nested = (levels: number, open = '[', close = ']') => `${open.repeat(levels)}1${close.repeat(levels)}`;

/** Values that programs trip over. */
const nasty: readonly unknown[] = [
  ...[null, true, false, [], {}, '', ' ', [null], { '': '' }, [[]], [{}]],
  ...[
    0,
    -0,
    -1,
    1.5,
    2 ** 31 - 1,
    2 ** 31,
    -(2 ** 31) - 1,
    2 ** 32,
    2 ** 53,
    2 ** 53 - 1,
    -(2 ** 63),
    1e21,
    1e308,
    5e-324,
  ],
  ...[
    '\0',
    'a\0b',
    '\ud800',
    'a\udc00',
    '\udc00\ud800',
    '\u202eabc',
    '\ufeff',
    '\uffff',
    'é',
    'İ',
    'ß',
    '𝕏',
    '\x7f',
    '\r\n',
    '\n',
  ],
  ...[
    '0000-01-01T00:00:00Z',
    '9999-12-31T23:59:59Z',
    '9999-12-31T23:59:59-12:00',
    '2026-02-30T00:00:00Z',
    '2026-11-28',
    '1969-12-31T23:59:59Z',
  ],
  ...['2026-12-31T23:59:60Z', '2026-11-28T00:00:00+99:99', '275760-09-13T00:00:00Z'],
  ...[
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    '../..',
    '%00',
    '%2e%2e',
    "' OR 1=1 --",
    '$1',
    '${account}',
    '{{x}}',
    '<b>',
  ],
  ...['1', '-1', '1e9', '0x10', 'NaN', 'Infinity', 'true', 'null', 'undefined', '00000000-0000-0000-0000-000000000000'],
  ...[
    '10.0.0.0/8',
    '10.0.0.0/33',
    '::/0',
    '::ffff:10.0.0.0/104',
    '0/0',
    '1.2.3.4:99999',
    '[::1]:1',
    'fe80::1%eth0',
    '010.1.1.1',
  ],
  ...[
    '*',
    '#',
    '+',
    'a/#',
    '+/+/#',
    '$share/g/a',
    '$SYS/#',
    'topic:',
    'topic:a',
    'http:GET /%2f',
    'endpoint:x',
    'client:',
  ],
  ...['Europe/Berlin', 'europe/berlin', 'Mars/Olympus', 'Etc/GMT+99', '+01:00', 'localtime'],
];

/** The same, large: rarer, because each costs what it weighs. */
const large: readonly ((random: Random) => unknown)[] = [
  () => 'a'.repeat(70_000),
  () => 'é'.repeat(20_000),
  () => '\u0000'.repeat(5000),
  () => '/'.repeat(20_000),
  () => ' '.repeat(60_000),
  () => Array.from({ length: 2000 }, (_, index) => index),
  () => Array.from({ length: 1001 }, () => 'a'),
  () => Array.from({ length: 1001 }, () => ({})),
  () => Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`k${index}`, index])),
  () => JSON.parse(nested(70)) as unknown,
  () => '(a+)+'.repeat(2000),
  () => '-----BEGIN CERTIFICATE REQUEST-----\n'.repeat(500),
  () => `-----BEGIN CERTIFICATE REQUEST-----${' '.repeat(30_000)}`,
];

/** A value of a wrong kind, or of the right one at its edge. */
export function nastyValue(random: Random): unknown {
  // A copy: what is bent twice would change the list, or hold itself.
  return random.chance(0.04) ? random.pick(large)(random) : structuredClone(random.pick(nasty));
}

type Place = { holder: Record<string, unknown> | unknown[]; key: string | number };

/** Bends one member of a body: another value, gone, doubled, deeper, or in company that nobody knows. */
export function mutated(body: unknown, random: Random): unknown {
  const root = { body: structuredClone(body) };
  for (let count = random.chance(0.2) ? 2 : 1; count > 0; count--) bend(random.pick(placesIn(root)), random);
  return root.body;
}

function placesIn(value: unknown, places: Place[] = []): Place[] {
  if (typeof value !== 'object' || value === null || places.length > 200) return places;
  const keys = Array.isArray(value) ? value.map((_, index) => index) : Object.keys(value);
  for (const key of keys) {
    places.push({ holder: value as Place['holder'], key });
    placesIn((value as Record<string | number, unknown>)[key], places);
  }
  return places;
}

function bend({ holder, key }: Place, random: Random): void {
  const members = holder as Record<string | number, unknown>;
  const value = members[key];
  switch (random.below(7)) {
    case 0:
      if (Array.isArray(holder)) holder.splice(Number(key), 1);
      else if (key !== 'body') delete members[key];
      break;
    case 1:
      members[key] = [value];
      break;
    case 2:
      members[key] = { [String(key)]: value };
      break;
    case 3:
      if (!Array.isArray(holder) && key !== 'body')
        members[String(random.pick(['x', '__proto', 'é', '', 'a\0', `${key}s`]))] = nastyValue(random);
      else members[key] = nastyValue(random);
      break;
    default:
      members[key] = nastyValue(random);
  }
}

/** JSON as text that no value of JavaScript writes: members twice, nesting without end, numbers and octets out of order. */
export function bentText(body: unknown, random: Random): string {
  const text = JSON.stringify(body) ?? '';
  switch (random.below(9)) {
    case 0:
      return text.replace(/"([^"\\]+)":/, (member) => `${member}1,${member}`);
    case 1:
      return text.replace(/:("[^"]*"|\d+|\{\}|\[\])/, () => `:${nested(random.pick([100, 6000, 10_000]))}`);
    case 2:
      return text.replace(/:("[^"]*"|\d+)/, () => `:${nested(random.pick([100, 6000]), '{"a":', '}')}`);
    case 3:
      return text.slice(0, random.below(text.length + 1));
    case 4:
      return text.replace(
        /:(\d+|"[^"]*")/,
        () =>
          `:${random.pick(['1e999', '-0', '1E400', '0.1e-400', '9'.repeat(400), 'NaN', '01', '+1', '.5', '\\u0000'])}`,
      );
    case 5:
      return `\ufeff${text}`;
    case 6:
      return `${text}${random.pick(['x', '{}', '\0', ',', ' '.repeat(1000)])}`;
    case 7:
      return text.replace(
        /"([^"\\]*)"/,
        () => `"${random.pick(['\\u0000', '\\ud800', '\\udfff\\ud800', '\\u2028', '\\/', '\\x41', '\u0001'])}"`,
      );
    default:
      return nested(random.pick([10, 50_000]), random.pick(['[', '{"a":']), '');
  }
}
