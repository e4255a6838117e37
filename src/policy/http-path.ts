/** How an HTTP request is spelled as levels: the method, then the segments of the path. */

const target = /^([A-Z][A-Z-]{0,31}) (\/[!-~]*)$/;
const pattern = /^(\*|[A-Z][A-Z-]{0,31}) (\/.*)$/;

/**
 * The levels of `METHOD /path?query`, as `METHOD/segment/...`: percent-decoded once, the query left out.
 * Undefined for what cannot be judged safely: an encoded `/`, `\` or NUL, a raw `\`, `;` or `#`, an empty or dot segment.
 */
export function readRequest(text: string): string | undefined {
  const match = target.exec(text);
  if (!match) return undefined;
  const method = match[1]!;
  const question = match[2]!.indexOf('?');
  const path = question < 0 ? match[2]! : match[2]!.slice(0, question);
  if (/[\\;#]/.test(path)) return undefined;
  if (path === '/') return method;
  const segments = path.includes('%') ? path.slice(1).split('/').map(decode) : path.slice(1).split('/');
  return segments.every(isPlain) ? `${method}/${segments.join('/')}` : undefined;
}

/** The levels of a resource such as `GET /files/+/#`, any method as `+`. @throws RangeError */
export function readRequestPattern(text: string): string[] {
  const match = pattern.exec(text);
  if (!match) throw new RangeError('must be METHOD /path in upper case, or * /path for any method');
  const method = match[1] === '*' ? '+' : match[1]!;
  if (match[2] === '/') return [method];
  const segments = match[2]!.slice(1).split('/');
  if (!segments.every(isPlain)) throw new RangeError('must have no empty or dot segment in its path');
  if (/[\\;?]/.test(match[2]!)) throw new RangeError('must have no \\, ; or ? in its path');
  return [method, ...segments];
}

function isPlain(segment: string | undefined): segment is string {
  return segment !== undefined && segment !== '' && segment !== '.' && segment !== '..';
}

function decode(segment: string): string | undefined {
  try {
    const decoded = decodeURIComponent(segment);
    return /[/\\\0]/.test(decoded) ? undefined : decoded;
  } catch {
    return undefined;
  }
}
