/** One directive of a file in blocks: its words, and what stands between its braces. */
export type Directive = { words: string[]; line: number; block: Directive[] | undefined };

type Token = { text: string; line: number; isQuoted: boolean };

const mostDepth = 64;
const quotes = new Set(['"', "'", '`']);

/**
 * Reads blocks as NGINX (directives end with a semicolon) or Caddy (they end with their line) writes them. One walk over the text.
 * @throws Error with the line for what is open at the end, or closed and never opened
 */
export function readBlocks(text: string, end: 'semicolon' | 'line'): Directive[] {
  const top: Directive[] = [];
  const open: Directive[][] = [top];
  let current: Directive | undefined;
  for (const token of tokensOf(text, end)) {
    const isMark = !token.isQuoted;
    if (isMark && token.text === endMark) current = undefined;
    else if (isMark && token.text === '{') {
      current ??= push(open, { words: [], line: token.line, block: undefined });
      current.block = [];
      open.push(current.block);
      if (open.length > mostDepth) throw new Error(`line ${token.line}: too many blocks in one another`);
      current = undefined;
    } else if (isMark && token.text === '}') {
      if (open.length === 1) throw new Error(`line ${token.line}: a block ends that was never begun`);
      open.pop();
      current = undefined;
    } else if (current) current.words.push(token.text);
    else current = push(open, { words: [token.text], line: token.line, block: undefined });
  }
  if (open.length > 1) throw new Error('the last block has no end');
  return top;
}

/** Every directive of a name, at any depth, with those around it, the nearest last. */
export function* find(
  directives: readonly Directive[],
  name: string,
  around: readonly Directive[] = [],
): Generator<{ directive: Directive; around: readonly Directive[] }> {
  for (const directive of directives) {
    if (directive.words[0] === name) yield { directive, around };
    if (directive.block) yield* find(directive.block, name, [...around, directive]);
  }
}

/** The first directive of a name in a block itself. */
export function own(block: readonly Directive[] | undefined, name: string): Directive | undefined {
  return block?.find(({ words }) => words[0] === name);
}

// What ends a directive; no word of a file can be it.
const endMark = '\0;';

function push(open: Directive[][], directive: Directive): Directive {
  open.at(-1)!.push(directive);
  return directive;
}

function* tokensOf(text: string, end: 'semicolon' | 'line'): Generator<Token> {
  let line = 1;
  for (let at = 0; at < text.length;) {
    const character = text[at]!;
    if (character === '\n') {
      if (end === 'line') yield { text: endMark, line, isQuoted: false };
      line++;
      at++;
    } else if (/\s/.test(character)) at++;
    else if (character === '#') at = lineEnd(text, at);
    else if (end === 'semicolon' && character === ';') {
      yield { text: endMark, line, isQuoted: false };
      at++;
    } else if (quotes.has(character)) {
      const to = closing(text, at, character);
      const content = text.slice(at + 1, to);
      yield { text: content, line, isQuoted: true };
      line += content.split('\n').length - 1;
      at = to + 1;
    } else {
      const to = wordEnd(text, at, end);
      yield { text: text.slice(at, to), line, isQuoted: false };
      at = to;
    }
  }
}

function lineEnd(text: string, from: number): number {
  const at = text.indexOf('\n', from);
  return at < 0 ? text.length : at;
}

function closing(text: string, from: number, quote: string): number {
  for (let at = from + 1; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === quote) return at;
  }
  return text.length;
}

/** Each brace is a word in NGINX, unless `${` begins a variable; in Caddy only where blanks are around them. */
function wordEnd(text: string, from: number, end: 'semicolon' | 'line'): number {
  const isBrace = (at: number): boolean => text[at] === '{' || text[at] === '}';
  if (end === 'semicolon' && isBrace(from)) return from + 1;
  for (let at = from; at < text.length; at++) {
    if (/\s/.test(text[at]!)) return at;
    if (end === 'line') continue;
    if (text[at] === ';') return at;
    if (text[at] === '$' && text[at + 1] === '{') {
      const to = text.indexOf('}', at);
      at = to < 0 ? text.length : to;
    } else if (isBrace(at)) return at;
  }
  return text.length;
}
