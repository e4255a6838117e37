/** One element of X-Forwarded-Client-Cert: its keys in lower case. */
type Element = Map<string, string>;

/**
 * The client certificate in Envoy's X-Forwarded-Client-Cert, percent-encoded PEM, and its SHA-256. Only the last element
 * counts: Envoy itself wrote it. Linear: quotes are followed, nothing is tried again.
 */
export function readForwardedCert(header: string): {
  certificate?: string | undefined;
  fingerprint?: string | undefined;
} {
  const element: Element = new Map();
  for (const field of splitOutsideQuotes(splitOutsideQuotes(header, ',').at(-1)!, ';')) {
    const at = field.indexOf('=');
    if (at > 0) element.set(field.slice(0, at).trim().toLowerCase(), unquoted(field.slice(at + 1).trim()));
  }
  return { certificate: element.get('cert'), fingerprint: element.get('hash') };
}

function splitOutsideQuotes(text: string, separator: string): string[] {
  const parts: string[] = [];
  let [start, isQuoted] = [0, false];
  for (let index = 0; index < text.length; index++) {
    const character = text[index];
    if (character === '\\' && isQuoted) index++;
    else if (character === '"') isQuoted = !isQuoted;
    else if (character === separator && !isQuoted) {
      parts.push(text.slice(start, index));
      start = index + 1;
    }
  }
  return [...parts, text.slice(start)];
}

function unquoted(value: string): string {
  return value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value;
}
