/**
 * A text between slashes, level by level, without cutting it: filled again and again, because every decision needs one.
 * Reading a character costs some 2.5 ns, so none is read twice: a level ends where somebody had to know it, and what it
 * was found to be is remembered for the policies that ask the same.
 */
export type Levels = {
  text: string;
  /** Where the first level begins. */
  start: number;
  /** How many levels were reached so far, where each ends, and what it is if somebody knew. */
  reached: number;
  ends: Int32Array;
  texts: (string | undefined)[];
  /** Where the level after account and name of the thing begins, or one of the two below. */
  own: number;
};

/** Nobody asked yet whether the first two levels are account and name of the thing. */
export const unasked = -1;

/** The first two levels are not account and name of the thing. */
export const notOwn = -2;

/** More levels than this make a topic malformed. */
export const maxLevels = 128;

// An HTTP path may have more levels than a topic, but not more than its text has characters of any use.
const capacity = 4096;
const slash = 0x2f;

/** Room for the levels of one text at a time. Reused, so that a decision allocates nothing. */
export function createLevels(): Levels {
  const texts: Levels['texts'] = Array.from({ length: capacity }, () => undefined);
  return { text: '', start: 0, reached: 0, ends: new Int32Array(capacity), texts, own: unasked };
}

/** Takes a text, from `start` on. */
export function takeText(levels: Levels, text: string, start: number): true {
  levels.text = text;
  levels.start = start;
  levels.reached = 0;
  levels.own = unasked;
  return true;
}

/** The same with its levels. False when they are too many. */
export function readLevels(levels: Levels, text: string, start: number): boolean {
  return takeText(levels, text, start) && hasAtMost(capacity, text, start);
}

/** Whether a text has no more than so many levels from `start` on. */
export function hasAtMost(most: number, text: string, start: number): boolean {
  if (text.length - start < most) return true;
  let from = start;
  for (let count = 1; count <= most; count++) {
    from = text.indexOf('/', from) + 1;
    if (from === 0) return true;
  }
  return false;
}

/** Where a level ends that begins at `start`. Levels are asked about in order: the one before was reached. */
export function endOfLevel(levels: Levels, level: number, start: number): number {
  if (level < levels.reached) return levels.ends[level]!;
  const found = levels.text.indexOf('/', start);
  const end = found < 0 ? levels.text.length : found;
  reach(levels, level, end, undefined);
  return end;
}

/** Whether a level that begins at `start` is a text, which has no slash; undefined is no text. */
export function isLevel(levels: Levels, level: number, start: number, wanted: string | undefined): boolean {
  if (wanted === undefined) return false;
  if (level < levels.reached) {
    const known = levels.texts[level];
    if (known !== undefined) return known === wanted;
  }
  const { text } = levels;
  const end = start + wanted.length;
  if (end !== text.length && text.charCodeAt(end) !== slash) return false;
  if (!hasAt(text, start, wanted)) return false;
  reach(levels, level, end, wanted);
  return true;
}

function reach(levels: Levels, level: number, end: number, text: string | undefined): void {
  levels.ends[level] = end;
  levels.texts[level] = text;
  if (level === levels.reached) levels.reached = level + 1;
}

/** True when the text from `start` to its end is this one. */
export function isRest(text: string, start: number, wanted: string | undefined): boolean {
  return wanted !== undefined && wanted.length === text.length - start && hasAt(text, start, wanted);
}

// A loop, because the built-in calls cost more than short texts; backwards, because names that differ often begin alike.
function hasAt(text: string, start: number, wanted: string): boolean {
  for (let index = wanted.length - 1; index >= 0; index--) {
    if (text.charCodeAt(start + index) !== wanted.charCodeAt(index)) return false;
  }
  return true;
}
