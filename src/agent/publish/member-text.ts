/**
 * The text of a member of a JSON object as it was written, without blanks between its parts (a batch has a line for each message): a number that is read and written again can lose
 * digits. `text` is an object that JSON.parse has read; of members with the same name the last counts, as there. Empty where there is none.
 */
export function memberText(text: string, name: string): string {
  let found = '';
  let at = skip(text, 0) + 1;
  for (;;) {
    at = skip(text, at);
    if (text[at] !== '"') return found.match(part)?.join('') ?? '';
    const key = endOfValue(text, at);
    const from = skip(text, skip(text, key) + 1);
    const to = endOfValue(text, from);
    if (JSON.parse(text.slice(at, key)) === name) found = text.slice(from, to);
    at = skip(text, to) + 1;
  }
}

const visible = /[^ \t\r\n]/g;
const part = /"(?:[^"\\]|\\.)*"|[[\]{},:]|[^"[\]{},: \t\r\n]+/g;

/** Where blanks end. */
function skip(text: string, from: number): number {
  visible.lastIndex = from;
  return visible.exec(text)?.index ?? text.length;
}

/** Behind the value that begins there. */
function endOfValue(text: string, from: number): number {
  part.lastIndex = from;
  let depth = 0;
  for (let found = part.exec(text); found; found = part.exec(text)) {
    if (found[0] === '[' || found[0] === '{') depth++;
    else if (found[0] === ']' || found[0] === '}') depth--;
    if (depth === 0) return part.lastIndex;
  }
  return text.length;
}
