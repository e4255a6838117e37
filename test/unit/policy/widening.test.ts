import { describe, expect, it } from 'vitest';
import { compilePolicies } from '../../../src/policy/compile.js';
import { decide } from '../../../src/policy/decide.js';
import type { Statement } from '../../../src/policy/document.js';
import { parsePolicy } from '../../../src/policy/policy.js';
import { createPrincipal } from '../../../src/policy/variables.js';
import { createRandom, type Random } from '../../support/policy-cases.js';

const cases = 100_000;

const allow = (id: string, actions: string[], resource: string): Statement => ({
  id,
  effect: 'allow',
  actions,
  resources: [resource],
});
const document = parsePolicy({
  name: 'p',
  statements: [
    allow('connect', ['connect'], 'client:${account}:${thing.name}'),
    allow('own', ['publish', 'subscribe', 'receive'], 'topic:${account}/${thing.name}/#'),
    allow('site', ['publish', 'subscribe', 'receive'], 'topic:site/${thing.attributes.v}/data'),
    allow('mixed', ['publish'], 'topic:x-${thing.attributes.v}-y/z'),
    allow('file', ['request'], 'http:GET /files/${thing.attributes.v}/+'),
    allow('door', ['open'], 'endpoint:${thing.attributes.v}'),
  ],
});
const denying = parsePolicy({
  name: 'd',
  statements: [
    {
      id: 'not-mine',
      effect: 'deny',
      actions: ['publish', 'receive'],
      resources: ['topic:site/${thing.attributes.v}/#'],
    },
  ],
});
const policies = compilePolicies([{ name: 'p', version: 1, document }]);
const withDeny = compilePolicies([
  { name: 'p', version: 1, document },
  { name: 'd', version: 1, document: denying },
]);

const pieces = [
  'a',
  'b',
  'B',
  '0',
  '+',
  '#',
  '/',
  '$',
  '*',
  '?',
  '.',
  '..',
  '%2f',
  '%',
  ':',
  ';',
  '\\',
  '\0',
  '\n',
  ' ',
  '${account}',
  '${',
  '}',
  '$share',
  '\u00e9',
  '\ud800',
  '@',
  '-',
];
const hostile = (random: Random): string => Array.from({ length: random.below(5) }, () => random.pick(pieces)).join('');
const opaque = /^(?!\.{1,2}$)[A-Za-z0-9:_.@-]{1,128}$/;

/** The few things that a thing may do, said without looking at policies: whole texts with its values in their places. */
function mayAtMost(name: string, v: string, action: string, resource: string): boolean {
  if (action === 'connect') return opaque.test(name) && resource === `client:acct:${name}`;
  if (action === 'open') return opaque.test(v) && resource === `endpoint:${v}`;
  if (action === 'request')
    return (
      opaque.test(v) &&
      new RegExp(`^http:GET /files/${v.replace(/\./g, '\\.')}/[^/]+$`).test(decodeURIComponent(resource))
    );
  const text = resource.slice('topic:'.length);
  const own = opaque.test(name) && (text === `acct/${name}` || text.startsWith(`acct/${name}/`));
  const site = opaque.test(v) && (text === `site/${v}/data` || (action === 'publish' && text === `x-${v}-y/z`));
  return own || site;
}

describe('values of a thing', () => {
  it(`widen nothing, in ${cases} cases of hostile names and attributes`, () => {
    const random = createRandom(7);
    let allowed = 0;
    for (let n = 0; n < cases; n++) {
      const [name, v] = [hostile(random), hostile(random)];
      const other = random.chance(0.5) ? hostile(random) : random.pick([name, v, 'a', 'b']);
      const principal = createPrincipal({ account: 'acct', thing: { name, attributes: { v } } });
      const [action, resource] = random.pick([
        ['connect', `client:acct:${other}`],
        ['publish', `topic:acct/${other}/t`],
        ['subscribe', `topic:acct/${other}/#`],
        ['subscribe', `topic:acct/${other}`],
        ['publish', `topic:site/${other}/data`],
        ['receive', `topic:site/${other}/data`],
        ['subscribe', `topic:site/${other}/data`],
        ['publish', `topic:x-${other}-y/z`],
        ['request', `http:GET /files/${other}/x`],
        ['open', `endpoint:${other}`],
      ] as const);
      const query = { action, resource, context: {}, at: 0 };
      const decision = decide(policies, principal, query);
      if (decision.allowed) {
        allowed++;
        expect(mayAtMost(name, v, action, resource), JSON.stringify({ name, v, action, resource })).toBe(true);
      }
      // A deny with a value that does not fit reaches everything of its kind, never nothing.
      if (resource.startsWith('topic:') && !opaque.test(v))
        expect(decide(withDeny, principal, query).allowed).toBe(false);
    }
    console.log(`widening: cases=${cases} allowed=${allowed} widened=0`);
    expect(allowed).toBeGreaterThan(cases / 100);
  });
});
