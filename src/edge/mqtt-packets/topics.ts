import { isText, widthAt } from './utf8.js';

const slash = 0x2f;
const plus = 0x2b;
const hash = 0x23;

/** True for the octets of a topic name (MQTT 5.0 §4.7): text, not empty, without wildcards. */
export function isTopicName(bytes: Uint8Array, start: number, end: number): boolean {
  if (start >= end) return false;
  for (let at = start; at < end;) {
    const octet = bytes[at]!;
    if (octet === 0 || octet === plus || octet === hash) return false;
    if (octet < 0x80) {
      at++;
      continue;
    }
    const width = widthAt(bytes, at, end);
    if (width === 0) return false;
    at += width;
  }
  return true;
}

/** True for the octets of a topic filter: text, not empty; a wildcard fills its level, and `#` is the last (MQTT 5.0 §4.7.1). */
export function isTopicFilter(bytes: Uint8Array, start: number, end: number): boolean {
  if (start >= end || !isText(bytes, start, end)) return false;
  for (let at = start; at < end; at++) {
    const octet = bytes[at]!;
    if (octet !== plus && octet !== hash) continue;
    if (at > start && bytes[at - 1] !== slash) return false;
    if (at + 1 < end && (octet === hash || bytes[at + 1] !== slash)) return false;
  }
  return true;
}

/** True for `$share` and what begins with `$share/`. */
export const isShare = (filter: string): boolean => filter === '$share' || filter.startsWith('$share/');

/** The filter inside of a shared subscription (MQTT 5.0 §4.8.2); undefined when its group or its filter is none. */
export function sharedFilter(filter: string): string | undefined {
  const groupEnd = filter.indexOf('/', 7);
  if (groupEnd <= 7 || /[+#]/.test(filter.slice(7, groupEnd))) return undefined;
  return groupEnd + 1 === filter.length ? undefined : filter.slice(groupEnd + 1);
}
