import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { builtInPolicies } from '../../../src/policy/built-in.js';
import { renderPolicy } from '../../../src/policy/variables.js';
import type { PolicyDocument } from '../../../src/policy/document.js';

const settings = { timeZone: 'UTC', clientIdForm: 'thing' } as const;
const sensor = builtInPolicies(settings)[0]!;

describe('renderPolicy', () => {
  it('fills in the built-in sensor policy', () => {
    const statements = renderPolicy(sensor, { account: 'acme', thing: { name: 'pump-17', attributes: {} } });
    expect(statements.map(({ id, resources }) => [id, resources])).toEqual([
      ['connect', ['client:pump-17']],
      ['telemetry', ['topic:acme/pump-17/telemetry/#']],
      ['own-topics', ['topic:acme/pump-17/#']],
      ['data', ['endpoint:telemetry_endpoint', 'endpoint:config_endpoint']],
    ]);
  });

  it('takes an unfit value out of an allow and makes it everything in a deny', () => {
    const document: PolicyDocument = {
      name: 'p',
      statements: [
        { id: 'a', effect: 'allow', actions: ['publish'], resources: ['topic:x/${thing.attributes.site}', 'topic:y'] },
        { id: 'b', effect: 'allow', actions: ['publish'], resources: ['topic:${thing.type}'] },
        { id: 'c', effect: 'deny', actions: ['publish'], resources: ['topic:${thing.attributes.site}/#'] },
      ],
    };
    const render = (site: string) =>
      renderPolicy(document, { account: 'a', thing: { name: 'n', attributes: { site } } });
    expect(render('a/b')).toMatchObject([
      { id: 'a', resources: ['topic:y'] },
      { id: 'c', resources: ['*'] },
    ]);
    expect(render('berlin')).toMatchObject([
      { id: 'a', resources: ['topic:x/berlin', 'topic:y'] },
      { id: 'c', resources: ['topic:berlin/#'] },
    ]);
  });

  it('lets no value add a level, a wildcard or a variable, in 20,000 cases', () => {
    const document: PolicyDocument = {
      name: 'p',
      statements: [{ id: 'a', effect: 'allow', actions: ['publish'], resources: ['topic:x/${thing.attributes.v}/y'] }],
    };
    const hostile = fc.oneof(
      fc.string({ maxLength: 12 }),
      fc.constantFrom('+', '#', '..', '.', '', 'a/b', '$share', '${account}', '*', 'ok', 'a\0', '/'),
    );
    fc.assert(
      fc.property(hostile, (value) => {
        const [statement] = renderPolicy(document, { account: 'a', thing: { name: 'n', attributes: { v: value } } });
        for (const resource of statement?.resources ?? []) expect(resource).toMatch(/^topic:x\/[A-Za-z0-9:_.@-]+\/y$/);
      }),
      { numRuns: 20_000 },
    );
  });
});
