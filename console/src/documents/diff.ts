/** A line of one text that the other lacks, or that both have. */
export type Line = { sign: ' ' | '+' | '-'; text: string };

/** What became of a part of a document. Where it changed, its lines say how. */
export type Change = { id: string; kind: 'added' | 'removed' | 'changed' | 'same'; lines: Line[] };

/** Lines that all have one sign. */
export const signed = (sign: Line['sign'], lines: string[]): Line[] => lines.map((text) => ({ sign, text }));

// Two texts of this many lines take a table of a quarter of a million cells.
const mostLines = 500;

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
