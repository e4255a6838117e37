/** A text between slashes, level by level, without cutting it: filled again and again, because every decision needs one. */
export type Levels = {
  text: string;
  /** Where the first level begins. */
  start: number;
  count: number;
  /** Where each level ends. */
  ends: Int32Array;
};

/** More levels than this make a topic malformed. */
export const maxLevels = 128;

// An HTTP path may have more levels than a topic, but not more than its text has characters of any use.
const capacity = 4096;

/** Room for the levels of one text at a time. Reused, so that a decision allocates nothing. */
export function createLevels(): Levels {
  return { text: '', start: 0, count: 0, ends: new Int32Array(capacity) };
}

/** Finds the levels of a text from `start` on. False when there are too many. */
export function readLevels(levels: Levels, text: string, start: number): boolean {
  levels.text = text;
  levels.start = start;
  levels.count = 0;
  for (let from = start; ;) {
    const slash = text.indexOf('/', from);
    if (levels.count === capacity) return false;
    levels.ends[levels.count++] = slash < 0 ? text.length : slash;
    if (slash < 0) return true;
    from = slash + 1;
  }
}

/** Where a level begins in the text, in UTF-16 code units. */
export function startOfLevel({ start, ends }: Levels, level: number): number {
  return level === 0 ? start : ends[level - 1]! + 1;
}

/** True when the text from `start` to `end` is this one. A loop, because the built-in calls cost more than short texts. */
export function isText(text: string, start: number, end: number, wanted: string | undefined): boolean {
  if (wanted === undefined || wanted.length !== end - start) return false;
  for (let index = 0; index < wanted.length; index++) {
    if (text.charCodeAt(start + index) !== wanted.charCodeAt(index)) return false;
  }
  return true;
}
