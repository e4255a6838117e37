/** A value in a HOCON file, by its whole path such as `authorization.sources.0.url`; lists count from 0. */
export type Entry = { path: string; value: string; line: number };

const mostDepth = 64;

/**
 * Reads the part of HOCON that emqx.conf is written in: objects, lists, plain and quoted values, comments with `#` and `//`, keys with
 * dots, commas or line ends between members. Includes are passed over, and substitutions left as text. One walk over the text.
 * @throws Error with the line where it is none
 */
export function readHocon(text: string): Entry[] {
  const reader = createReader(text);
  const entries: Entry[] = [];

  const readValue = (path: string, depth: number): void => {
    if (depth > mostDepth) throw new Error(`line ${reader.line()}: too many blocks in one another`);
    const line = reader.line();
    if (reader.take('{')) readMembers(path, depth);
    else if (reader.take('[')) readList(path, depth);
    else entries.push({ path, value: reader.plain(), line });
  };

  const readMembers = (path: string, depth: number): void => {
    entries.push({ path, value: '{', line: reader.line() });
    for (reader.toNext(); !reader.take('}'); reader.toNext()) readMember(path, depth);
  };

  const readList = (path: string, depth: number): void => {
    reader.toNext();
    for (let index = 0; !reader.take(']'); index++) {
      readValue(`${path}.${index}`, depth + 1);
      reader.toNext();
    }
  };

  const readMember = (around: string, depth: number): void => {
    const key = reader.key();
    reader.blanks();
    // Of another file, which is read by itself.
    if (key === 'include' && !/[=:{]/.test(reader.next())) return void reader.plain();
    const path = around === '' ? key : `${around}.${key}`;
    if (!reader.take('=') && !reader.take(':') && !reader.sees('{'))
      throw new Error(`line ${reader.line()}: after ${key} there is no value`);
    reader.blanks();
    readValue(path, depth + 1);
  };

  for (reader.toNext(); !reader.isOver(); reader.toNext()) readMember('', 0);
  return entries;
}

function createReader(text: string) {
  let at = 0;
  let line = 1;

  const step = (): void => {
    if (text[at] === '\n') line++;
    at++;
  };
  const isComment = (): boolean => text[at] === '#' || text.startsWith('//', at);
  const toLineEnd = (): void => {
    while (at < text.length && text[at] !== '\n') at++;
  };
  const blanks = (): void => {
    while (at < text.length && /\s/.test(text[at]!)) step();
  };
  const quoted = (): string => {
    const mark = text.startsWith('"""', at) ? '"""' : '"';
    const from = at + mark.length;
    let end = text.indexOf(mark, from);
    while (mark === '"' && end > 0 && text[end - 1] === '\\') end = text.indexOf('"', end + 1);
    if (end < 0) throw new Error(`line ${line}: a quote has no end`);
    while (at < end + mark.length) step();
    return text.slice(from, end);
  };
  const until = (ends: string): string => {
    const from = at;
    while (at < text.length && !ends.includes(text[at]!) && !isComment()) at++;
    return text.slice(from, at).trim();
  };
  const requireSome = (found: string): string => {
    if (found === '') throw new Error(`line ${line}: ${JSON.stringify(text[at] ?? 'the end')} is not expected here`);
    return found;
  };

  return {
    line: () => line,
    isOver: () => at >= text.length,
    sees: (character: string) => text[at] === character,
    next: () => text[at] ?? '',
    blanks,
    take(character: string): boolean {
      if (text[at] !== character) return false;
      step();
      return true;
    },
    /** What may stand between members. */
    toNext(): void {
      for (blanks(); at < text.length && (text[at] === ',' || isComment()); blanks())
        if (isComment()) toLineEnd();
        else step();
    },
    key: (): string => (text[at] === '"' ? quoted() : requireSome(until(' \t\n\r=:{},[]'))),
    plain: (): string => {
      if (text[at] === '"') return quoted();
      // A URL has no comment in it: `//` counts only after a blank.
      const from = at;
      while (at < text.length && !',\n]}'.includes(text[at]!) && text[at] !== '#')
        if (text.startsWith('//', at) && /\s/.test(text[at - 1] ?? ' ')) break;
        else at++;
      return requireSome(text.slice(from, at).trim());
    },
  };
}
