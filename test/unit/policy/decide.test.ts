import { describe, expect, it } from 'vitest';
import { compilePolicies } from '../../../src/policy/compile.js';
import { decide } from '../../../src/policy/decide.js';
import { parsePolicy } from '../../../src/policy/policy.js';
import { createPrincipal } from '../../../src/policy/variables.js';
import { createRandom, randomPolicies, randomQuestion } from '../../support/policy-cases.js';
import { evaluate, type Asked } from '../../support/policy-reference.js';

const cases = Number(process.env['POLICY_CASES'] ?? 40_000);
const seed = Number(process.env['POLICY_SEED'] ?? 20_261_121);
const questionsPerPolicy = 8;

function ask(policies: ReturnType<typeof compilePolicies>, { account, thing, serialNumber, ...query }: Asked) {
  const principal = createPrincipal({ account, thing, ...(serialNumber ? { certificate: { serialNumber } } : {}) });
  const { allowed, reason, statement } = decide(policies, principal, query);
  return { allowed, reason, ...(statement ? { statement: `${statement.policy}/${statement.id}` } : {}) };
}

describe('decide', () => {
  it('agrees with the reference in every random case', () => {
    const random = createRandom(seed);
    const seen = new Map<string, number>();
    for (let asked = 0; asked < cases; asked += questionsPerPolicy) {
      const documents = randomPolicies(random).map(parsePolicy);
      const policies = documents.map((document, index) => ({ name: document.name, version: index + 1, document }));
      const compiled = compilePolicies(policies);
      const plain = policies.map(({ name, version, document }) => ({ name, version, statements: document.statements }));
      for (let question = 0; question < questionsPerPolicy; question++) {
        const query = randomQuestion(random);
        const want = evaluate(plain, query);
        const got = ask(compiled, query);
        if (JSON.stringify(got) !== JSON.stringify(want))
          expect(got, JSON.stringify({ documents, query }, null, 1)).toEqual(want);
        const outcome = want.reason === 'statement' ? (want.allowed ? 'allow' : 'deny') : want.reason;
        seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
      }
    }
    console.log(`decide: cases=${cases} differences=0 ${[...seen].map(([name, n]) => `${name}=${n}`).join(' ')}`);
    // Every kind of answer came up often enough to mean something.
    expect([...seen.keys()].sort()).toEqual(
      [
        'allow',
        'binding-mismatch',
        'deny',
        'malformed-resource',
        'no-matching-statement',
        'outside-time-window',
      ].sort(),
    );
    expect(Math.min(...seen.values())).toBeGreaterThan(cases / 500);
  });
});
