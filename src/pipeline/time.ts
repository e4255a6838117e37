// RFC 3339; Date alone reads much more than that.
const form = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$/;
const longest = 40;
// Seconds of the year 5138; as milliseconds it is 1973.
const firstMilliseconds = 1e11;

/** Milliseconds since 1970, of a number of seconds or milliseconds or of a time as text; undefined for what is none. */
export function readTime(value: unknown): number | undefined {
  if (typeof value === 'number' || typeof value === 'bigint') {
    const number = Number(value);
    if (!(number >= 0) || number > Number.MAX_SAFE_INTEGER) return undefined;
    return Math.round(number >= firstMilliseconds ? number : number * 1000);
  }
  if (typeof value !== 'string' || value.length > longest || !form.test(value)) return undefined;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : at;
}
