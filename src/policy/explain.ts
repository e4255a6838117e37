import { compilePolicies, type PolicyVersion } from './compile.js';
import { compileCondition, failingMember } from './condition.js';
import { decide, type Query } from './decide.js';
import type { Statement } from './document.js';
import type { Principal } from './variables.js';

/** Why a statement did or did not take part in a decision. */
type Why = 'holds' | 'other-action' | 'other-resource' | 'outside-time-window' | `condition ${string}`;

type Explanation = { policy: string; statement: string; effect: 'allow' | 'deny'; why: Why };

/** A statement, ready to say why it did or did not take part: made once, asked for each question. */
export type Explainer = (principal: Principal, query: Query) => Explanation;

/** The statements of a policy, one by one. Each is compiled alone: slow, for people. */
export function createExplainers({ name, version, document }: PolicyVersion): Explainer[] {
  return document.statements.map((statement) => {
    const explainWhy = createWhy(statement);
    const said = { policy: `${name}@${version}`, statement: statement.id, effect: statement.effect };
    return (principal, query) => ({ ...said, why: explainWhy(principal, query) });
  });
}

function createWhy(statement: Statement): (principal: Principal, query: Query) => Why {
  const { condition, ...bare } = statement;
  // Alone and without its condition, and without a client id, which other statements would have to allow.
  const alone = compilePolicies([{ name: 'alone', version: 1, document: { name: 'alone', statements: [bare] } }]);
  const compiled = condition && compileCondition(condition);
  return (principal, query) => {
    const { reason } = decide(alone, principal, { ...query, context: { ...query.context, clientId: undefined } });
    if (reason !== 'statement') return names(statement, query.action) ? 'other-resource' : 'other-action';
    if (!compiled) return 'holds';
    const failing = failingMember(compiled, statement.effect === 'deny', query.context, principal);
    if (failing) return `condition ${failing.name}`;
    return compiled.timeWindows?.holdsAt(query.at) === false ? 'outside-time-window' : 'holds';
  };
}

function names({ actions }: Statement, action: string): boolean {
  return actions.includes('*') || actions.includes(action);
}
