/** The steps of a path: names of members and places in lists. */
export type Path = readonly (string | number)[];

const longest = 512;
const mostSteps = 16;
const member = /^\.([A-Za-z_][A-Za-z0-9_-]{0,127})/;
const place = /^\[(0|[1-9]\d{0,5})\]/;
const quoted = /^\[(?:"([^"\\\]]{1,256})"|'([^'\\\]]{1,256})')\]/;

/** Reads `$`, `$.a.b`, `$.a[0]` and `$["a b"]`; undefined for anything else. Nothing in it branches or repeats. */
export function parsePath(text: string): Path | undefined {
  if (text.length > longest || !text.startsWith('$')) return undefined;
  const path: (string | number)[] = [];
  for (let rest = text.slice(1); rest !== '';) {
    const found = member.exec(rest) ?? place.exec(rest) ?? quoted.exec(rest);
    if (!found || path.length === mostSteps) return undefined;
    path.push(stepOf(found));
    rest = rest.slice(found[0].length);
  }
  return path;
}

function stepOf([whole, first, second]: RegExpExecArray): string | number {
  const text = first ?? second!;
  return /^\[\d/.test(whole) ? Number(text) : text;
}

/** What a path leads to in a decoded message; undefined where it leads nowhere. Own members alone. */
export function follow(path: Path, message: unknown): unknown {
  let value = message;
  for (const step of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    if (typeof step === 'number' ? !Array.isArray(value) : !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string | number, unknown>)[step];
  }
  return value;
}
