import { describe, expect, it } from 'vitest';
import { compilePolicies } from '../../../src/policy/compile.js';
import { decide } from '../../../src/policy/decide.js';
import { kindOfAction } from '../../../src/policy/action.js';
import { namedResources, spellResource } from '../../../src/policy/literals.js';
import type { PolicyDocument } from '../../../src/policy/document.js';
import { createPrincipal } from '../../../src/policy/variables.js';
import { createRandom, randomPolicies } from '../../support/policy-cases.js';

const principal = createPrincipal({ account: 'a', thing: { name: 'n', type: 'b', attributes: { v: 'a' } } });

/** What a document names, by action. */
const named = (document: PolicyDocument) =>
  document.statements[0]!.actions.flatMap((action) => {
    const kind = kindOfAction(action);
    return kind ? [...namedResources([document], kind, action)].map((resource) => ({ action, kind, resource })) : [];
  });

describe('resources that policies spell out', () => {
  it.each([
    ['topic:a/${thing.name}/b', 'a/n/b'],
    ['topic:a/+', undefined],
    ['topic:#', undefined],
    ['topic:/', '/'],
    ['topic:${certificate.serialNumber}/a', undefined],
    ['client:a/#', 'a/#'],
    ['client:${account}:${thing.name}', 'a:n'],
    ['endpoint:${thing.type}', 'b'],
    ['http:GET /', 'GET /'],
    ['http:GET /a b/é/50%/x', 'GET /a%20b/%C3%A9/50%25/x'],
    ['http:* /a', undefined],
    ['http:GET /a/#', undefined],
    ['*', undefined],
  ])('%s', (written, spelled) => expect(spellResource(written, principal)).toBe(spelled));

  it('each is one that the statement which names it matches', () => {
    const random = createRandom(7);
    const allows = Array.from({ length: 2000 }, () => randomPolicies(random))
      .flat()
      .flatMap(({ statements }) => statements)
      .map(({ condition: _, ...statement }) => ({ ...statement, effect: 'allow' as const }));
    let spelled = 0;
    for (const statement of allows) {
      const document = { name: 'p', statements: [statement] };
      const policies = compilePolicies([{ name: 'p', version: 1, document }]);
      for (const { action, kind, resource } of named(document)) {
        const id = spellResource(resource, principal);
        if (id === undefined) continue;
        const query = { action, resource: `${kind}:${id}`, context: {}, at: 0 };
        expect(decide(policies, principal, query).allowed, resource).toBe(true);
        spelled++;
      }
    }
    expect(spelled).toBeGreaterThan(1000);
  });
});
