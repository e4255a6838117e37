const longestName = 128;

/** The name among the known ones that takes the fewest changes of letters. */
export function nearest(name: string, known: string[]): string {
  const distances = known.map((each) => ({ each, distance: editDistance(name.slice(0, longestName), each) }));
  return distances.reduce((best, next) => (next.distance < best.distance ? next : best)).each;
}

/** How many letters to change, insert or leave out (Levenshtein). */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, n) => n);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const change = row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(change, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[to.length]!;
}
