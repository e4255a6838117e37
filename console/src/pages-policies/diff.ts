import type { Schemas } from '../api.js';

type PolicyDocument = Schemas['PolicyDocument'];
type Statement = Schemas['PolicyStatement'];

/** A line of one text that the other lacks, or that both have. */
export type Line = { sign: ' ' | '+' | '-'; text: string };

/** What became of a statement. Where it changed, its lines say how. */
export type Change = { id: string; kind: 'added' | 'removed' | 'changed' | 'same'; lines: Line[] };

const linesOf = (value: unknown): string[] => JSON.stringify(value, undefined, 2).split('\n');
const signed = (sign: Line['sign'], lines: string[]): Line[] => lines.map((text) => ({ sign, text }));

// Two texts of this many lines take a table of a quarter of a million cells.
const mostLines = 500;

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

/** The lines of two texts with the longest common sequence left in place; long texts stand one after the other. */
export function diffLines(before: string[], after: string[]): Line[] {
  if (before.join('\n') === after.join('\n')) return signed(' ', after);
  if (before.length > mostLines || after.length > mostLines) return [...signed('-', before), ...signed('+', after)];
  const width = after.length + 1;
  const common = new Uint16Array((before.length + 1) * width);
  for (let b = before.length - 1; b >= 0; b--)
    for (let a = after.length - 1; a >= 0; a--)
      common[b * width + a] =
        before[b] === after[a]
          ? common[(b + 1) * width + a + 1]! + 1
          : Math.max(common[(b + 1) * width + a]!, common[b * width + a + 1]!);
  return walk(before, after, (b, a) => common[b * width + a]!);
}

function walk(before: string[], after: string[], common: (b: number, a: number) => number): Line[] {
  const lines: Line[] = [];
  let [b, a] = [0, 0];
  while (b < before.length && a < after.length) {
    if (before[b] === after[a]) {
      lines.push({ sign: ' ', text: after[a]! });
      b++;
      a++;
    } else if (common(b + 1, a) >= common(b, a + 1)) lines.push({ sign: '-', text: before[b++]! });
    else lines.push({ sign: '+', text: after[a++]! });
  }
  return [...lines, ...signed('-', before.slice(b)), ...signed('+', after.slice(a))];
}
