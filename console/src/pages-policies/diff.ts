import type { Schemas } from '../api.js';
import { diffLines, signed, type Change } from '../documents/diff.js';

type PolicyDocument = Schemas['PolicyDocument'];
type Statement = Schemas['PolicyStatement'];

const linesOf = (value: unknown): string[] => JSON.stringify(value, undefined, 2).split('\n');

/** How a document became another, statement by statement, in the order of the newer one; those that are gone come last. */
export function diffDocuments(before: PolicyDocument, after: PolicyDocument): Change[] {
  const old = new Map(before.statements.map((statement) => [statement.id, statement]));
  const changes = after.statements.map((statement) => {
    const was = old.get(statement.id);
    old.delete(statement.id);
    return was === undefined ? added(statement) : compared(was, statement);
  });
  const gone = [...old.values()].map((statement): Change => {
    return { id: statement.id, kind: 'removed', lines: signed('-', linesOf(statement)) };
  });
  const heads = compared(headOf(before), headOf(after));
  return heads.kind === 'same' ? [...changes, ...gone] : [heads, ...changes, ...gone];
}

const headOf = ({ dataSensitivity }: PolicyDocument) => ({ id: 'data sensitivity', dataSensitivity });

const added = (statement: Statement): Change => ({
  id: statement.id,
  kind: 'added',
  lines: signed('+', linesOf(statement)),
});

function compared(was: { id: string }, is: { id: string }): Change {
  const [before, after] = [linesOf(was), linesOf(is)];
  const lines = diffLines(before, after);
  return { id: is.id, kind: lines.some(({ sign }) => sign !== ' ') ? 'changed' : 'same', lines };
}
