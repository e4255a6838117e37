import type { Permission } from '../access/permissions.js';
import { DomainError } from '../errors.js';
import { mergeAttributes } from '../registry.js';
import type { Act } from './schema.js';

/** What a campaign does to each thing. */
export type Deed = {
  act: Act;
  policies?: string[] | undefined;
  /** A merge patch. */
  attributes?: Record<string, string | null> | undefined;
};

/** A thing, as far as a deed changes it. */
export type Subject = { status: string; policies: string[]; attributes: Record<string, string> };

/** What became of one thing. */
export type Outcome<Thing extends Subject> =
  { state: 'done'; after?: Thing } | { state: 'failed' | 'skipped'; reason: string };

const mostPolicies = 20;

/** What each act needs, whoever it is done for. */
export function needsOf({ act }: Deed): Permission[] {
  return act === 'attach' || act === 'detach' ? ['things:write', 'policies:attach'] : ['things:write'];
}

/** What a deed makes of a thing; without `after`, the thing is so already. */
export function apply<Thing extends Subject>(deed: Deed, thing: Thing): Outcome<Thing> {
  if (thing.status === 'revoked') return { state: 'skipped', reason: 'the thing is revoked' };
  const after = edit(deed, thing);
  return 'reason' in after ? { state: 'failed', ...after } : changed(thing, after);
}

function edit<Thing extends Subject>(
  { act, policies = [], attributes = {} }: Deed,
  thing: Thing,
): Thing | { reason: string } {
  switch (act) {
    case 'attach': {
      const all = [...new Set([...thing.policies, ...policies])];
      if (all.length > mostPolicies) return { reason: `a thing has at most ${mostPolicies} policies` };
      return { ...thing, policies: all };
    }
    case 'detach':
      return { ...thing, policies: thing.policies.filter((name) => !policies.includes(name)) };
    case 'set-attributes':
      return withAttributes(thing, attributes);
    case 'renew':
      return thing;
  }
}

function withAttributes<Thing extends Subject>(
  thing: Thing,
  patch: Record<string, string | null>,
): Thing | { reason: string } {
  try {
    return { ...thing, attributes: mergeAttributes(thing.attributes, patch) };
  } catch (error) {
    if (error instanceof DomainError) return { reason: error.message };
    throw error;
  }
}

function changed<Thing extends Subject>(before: Thing, after: Thing): Outcome<Thing> {
  const isSame = sameWords(before.policies, after.policies) && sameAttributes(before.attributes, after.attributes);
  return isSame ? { state: 'done' } : { state: 'done', after };
}

const sameWords = (a: string[], b: string[]): boolean => a.length === b.length && a.every((each, n) => each === b[n]);

function sameAttributes(a: Record<string, string>, b: Record<string, string>): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
