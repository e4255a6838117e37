import { describe, expect, it } from 'vitest';
import { createSnapshot } from '../../../src/authorize/snapshot.js';
import { decide } from '../../../src/policy/decide.js';
import type { PolicyDocument } from '../../../src/policy/document.js';
import { createPrincipal } from '../../../src/policy/variables.js';

const reading = (name: string, endpoint: string): PolicyDocument => ({
  name,
  statements: [{ id: name, effect: 'allow', actions: ['read'], resources: [`endpoint:${endpoint}`] }],
});
const active = (name: string, version: number, endpoint = 'meter') => ({
  account: 'acme',
  name,
  version,
  document: reading(name, endpoint),
});
const principal = createPrincipal({ account: 'acme', thing: { name: 'pump', attributes: {} } });

type Snapshot = ReturnType<typeof createSnapshot>;

function ask(snapshot: Snapshot, names: string[], endpoint = 'meter'): string {
  const policies = snapshot.compiled(snapshot.policySet('acme', names));
  const query = { action: 'read', resource: `endpoint:${endpoint}`, context: {}, at: 0 };
  return decide(policies, principal, query).statement?.policy ?? 'none';
}

let position = 0;
const activate = (snapshot: Snapshot, name: string, version: number, endpoint: string) =>
  snapshot.apply({
    position: ++position,
    account: 'acme',
    type: 'policy',
    at: new Date(0),
    payload: active(name, version, endpoint),
  } as never);

/** Every order of some names. */
const orders = (names: string[]): string[][] =>
  names.length < 2
    ? [names]
    : names.flatMap((first) => orders(names.filter((name) => name !== first)).map((rest) => [first, ...rest]));

describe('the policies that a snapshot holds', () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
  const loaded = () => {
    const snapshot = createSnapshot();
    snapshot.load({ policies: names.map((name) => active(name, 1)), segments: [], recent: [] });
    return snapshot;
  };

  it('are compiled once each, in however many orders things name them, and no more sets are kept than a thousand', () => {
    const snapshot = loaded();
    for (const order of orders(names)) expect(ask(snapshot, order)).toBe(`${order[0]}@1`);
    expect(snapshot.size()).toMatchObject({ compiledPolicies: 7, policySets: 1000 });
    expect(ask(snapshot, ['b', 'b', 'a', 'b'])).toBe('b@1');
  });

  it('change in every set at once, also in sets that were dropped and are still in use', () => {
    const snapshot = loaded();
    const inUse = snapshot.policySet('acme', ['g', 'f']);
    const query = { action: 'read', resource: 'endpoint:other', context: {}, at: 0 };
    const now = () => decide(snapshot.compiled(inUse), principal, query).statement?.policy;
    expect(now()).toBeUndefined();
    for (const order of orders(names)) ask(snapshot, order);
    activate(snapshot, 'f', 2, 'other');
    expect(now()).toBe('f@2');
    activate(snapshot, 'g', 2, 'other');
    expect(now()).toBe('g@2');
    // A second set for the same names, made while the first was dropped, changes nothing for it.
    for (const order of orders(names)) ask(snapshot, order);
    expect(ask(snapshot, ['g', 'f'], 'other')).toBe('g@2');
    activate(snapshot, 'g', 3, 'other');
    expect([now(), ask(snapshot, ['g', 'f'], 'other')]).toEqual(['g@3', 'g@3']);
  });

  it('are found under a name that was unknown when the set was made', () => {
    const snapshot = loaded();
    expect(ask(snapshot, ['later'])).toBe('none');
    activate(snapshot, 'later', 1, 'meter');
    expect(ask(snapshot, ['later'])).toBe('later@1');
  });
});
