import { createLevels, maxLevels, readLevels, type Levels } from './levels.js';

const maxBytes = 65_535;

const slash = 0x2f;
const plus = 0x2b;
const hash = 0x23;

/**
 * True when a topic that can be published to begins at `start`: MQTT 5.0 §4.7, and at most 128 levels, which are
 * found in the same pass.
 */
export function isTopic(text: string, start = 0, levels = scratch): boolean {
  if (suspicious.test(text) || text.length - start > maxBytes / 3) return scan(text, start, false, levels);
  return text.length > start && readLevels(levels, text, start) && levels.count <= maxLevels;
}

// What has to be looked at closely; nearly every topic has none of it.
const suspicious = /[\0+#\ud800-\udfff]/;

/** True when a filter that can be subscribed to begins at `start`: each wildcard fills its level, and `#` is the last. */
export function isTopicFilter(text: string, start = 0): boolean {
  return scan(text, start, true, scratch);
}

const scratch = createLevels();

/**
 * What a subscription asks for, without its shared group (MQTT 5.0 §4.8.2): `$share/<group>/<filter>` is stripped once.
 * Undefined when the group or the filter is not one.
 */
export function stripShare(filter: string): string | undefined {
  if (!isShare(filter)) return filter;
  const groupEnd = filter.indexOf('/', 7);
  if (groupEnd <= 7 || /[+#]/.test(filter.slice(7, groupEnd))) return undefined;
  const shared = filter.slice(groupEnd + 1);
  return shared === '' || isShare(shared) ? undefined : shared;
}

const isShare = (filter: string) => filter === '$share' || filter.startsWith('$share/');

// One pass over the text: this runs for every decision.
function scan(text: string, start: number, wildcards: boolean, levels: Levels): boolean {
  const { length } = text;
  if (length <= start || ((length - start) * 3 > maxBytes && utf8Length(text) - start > maxBytes)) return false;
  const { ends } = levels;
  let count = 0;
  for (let index = start; index < length; index++) {
    const code = text.charCodeAt(index);
    if (code > slash && code < 0xd800) continue;
    if (code === slash) {
      if (count === maxLevels - 1) return false;
      ends[count++] = index;
    } else if (!isAllowed(text, start, index, code, wildcards)) return false;
  }
  ends[count] = length;
  levels.text = text;
  levels.start = start;
  levels.count = count + 1;
  return true;
}

function isAllowed(text: string, start: number, index: number, code: number, wildcards: boolean): boolean {
  if (code === plus || code === hash)
    return wildcards && fillsLevel(text, start, index) && (code === plus || index === text.length - 1);
  if (code >= 0xdc00 && code <= 0xdfff) return isPair(text, index - 1);
  if (code >= 0xd800 && code <= 0xdbff) return isPair(text, index);
  return code !== 0;
}

function fillsLevel(text: string, start: number, index: number): boolean {
  return (
    (index === start || text.charCodeAt(index - 1) === slash) &&
    (index === text.length - 1 || text.charCodeAt(index + 1) === slash)
  );
}

function isPair(text: string, index: number): boolean {
  const [high, low] = [text.charCodeAt(index), text.charCodeAt(index + 1)];
  return high >= 0xd800 && high <= 0xdbff && low >= 0xdc00 && low <= 0xdfff;
}

/** The size of well-formed text in UTF-8. */
function utf8Length(text: string): number {
  let bytes = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    // Each half of a pair counts two of the pair's four bytes.
    bytes += code < 0x80 ? 1 : code < 0x800 || (code >= 0xd800 && code <= 0xdfff) ? 2 : 3;
  }
  return bytes;
}
