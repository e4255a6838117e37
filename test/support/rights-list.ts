import type { Right, RightsList } from '../../src/policy/rights/rights.js';
import type { Statement } from '../../src/policy/document.js';
import { evaluate, type Asked } from './policy-reference.js';

/** Every endpoint that a case can name, or ask about. */
const endpoints = ['a', 'b', 'n'];

/**
 * What a list says to a question: it is read as a policy, by the reference and not by the engine. A list that was made
 * without a client id says by its `connect` whether a session may have one at all.
 */
export function listAllows(
  list: Pick<RightsList, 'allow' | 'deny'>,
  asked: Asked,
  madeFor: string | undefined,
): boolean {
  const { clientId, ...context } = asked.context;
  const bare = { ...asked, context };
  const mayConnect = (): boolean =>
    decideBy(list, { ...bare, action: 'connect', resource: `client:${clientId}` }, () => true);
  const isTopic = ['publish', 'subscribe', 'receive'].includes(asked.action);
  if (madeFor === undefined && isTopic && clientId !== undefined && !mayConnect()) return false;
  return decideBy(list, bare, ({ condition }) => condition?.clientId === undefined || mayConnect());
}

function decideBy(
  { allow, deny }: Pick<RightsList, 'allow' | 'deny'>,
  asked: Asked,
  isBound: (right: Right) => boolean,
): boolean {
  const statements = [
    ...deny.map((right, index) => statementOf(right, 'deny', index)),
    ...allow.filter(isBound).map((right, index) => statementOf(right, 'allow', index)),
  ];
  return evaluate([{ name: 'list', version: 1, statements }], asked).allowed;
}

function statementOf(
  { action, resource, condition = {} }: Right,
  effect: Statement['effect'],
  index: number,
): Statement {
  const { clientId: _, ...members } = condition;
  return {
    id: `${effect}-${index}`,
    effect,
    actions: [action],
    resources: resource === 'endpoint:*' ? endpoints.map((name) => `endpoint:${name}`) : [resource],
    ...(Object.keys(members).length > 0 ? { condition: members } : {}),
  };
}
