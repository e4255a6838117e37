import { compilePolicies, type PolicyVersion } from './compile.js';
import { compileCondition, failingMember } from './condition.js';
import { decide, type Query } from './decide.js';
import type { Statement } from './policy.js';
import type { Principal } from './variables.js';

/** Why a statement did or did not take part in a decision. */
export type Why = 'holds' | 'other-action' | 'other-resource' | 'outside-time-window' | `condition ${string}`;

export type Explanation = { policy: string; statement: string; effect: 'allow' | 'deny'; why: Why };

/** What every statement says to a question, one by one. Slow: for people. */
export function explain(policies: readonly PolicyVersion[], principal: Principal, query: Query): Explanation[] {
  return policies.flatMap(({ name, version, document }) =>
    document.statements.map((statement) => ({
      policy: `${name}@${version}`,
      statement: statement.id,
      effect: statement.effect,
      why: whyOf(statement, principal, query),
    })),
  );
}

function whyOf(statement: Statement, principal: Principal, query: Query): Why {
  const { condition, ...bare } = statement;
  // Alone and without its condition, and without a client id, which other statements would have to allow.
  const alone = compilePolicies([{ name: 'alone', version: 1, document: { name: 'alone', statements: [bare] } }]);
  const { reason } = decide(alone, principal, { ...query, context: { ...query.context, clientId: undefined } });
  if (reason !== 'statement') return names(statement, query.action) ? 'other-resource' : 'other-action';
  if (!condition) return 'holds';
  const compiled = compileCondition(condition);
  const failing = failingMember(compiled, statement.effect === 'deny', query.context, principal);
  if (failing) return `condition ${failing.name}`;
  return compiled.timeWindows?.holdsAt(query.at) === false ? 'outside-time-window' : 'holds';
}

function names({ actions }: Statement, action: string): boolean {
  return actions.includes('*') || actions.includes(action);
}
