import { badQuery } from './query.js';

/** A piece of a query in its text form. `at` is where it begins. */
export type Token = {
  kind: 'word' | 'text' | '(' | ')' | ',' | '=' | '!=' | '<' | '<=' | '>' | '>=';
  text: string;
  at: number;
};

const space = /[ \t\r\n]/;
const wordCharacter = /[A-Za-z0-9_:.*?@/+-]/;
const marks = ['!=', '<=', '>=', '(', ')', ',', '=', '<', '>'] as const;

/** The pieces of a query, in one pass. @throws DomainError `invalid-request` */
export function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    if (space.test(text[at]!)) {
      at++;
      continue;
    }
    const { token, end } = tokenAt(text, at);
    tokens.push(token);
    at = end;
  }
  return tokens;
}

function tokenAt(text: string, at: number): { token: Token; end: number } {
  const first = text[at]!;
  if (first === '"' || first === "'") return quotedAt(text, at, first);
  const mark = marks.find((each) => text.startsWith(each, at));
  if (mark) return { token: { kind: mark, text: mark, at }, end: at + mark.length };
  let end = at;
  while (end < text.length && wordCharacter.test(text[end]!)) end++;
  if (end === at)
    throw badQuery(`"${first}" at character ${at + 1}`, 'has no meaning here: put values in quotation marks');
  return { token: { kind: 'word', text: text.slice(at, end), at }, end };
}

/** A text in quotation marks, in which a backslash takes the next character as it is. */
function quotedAt(text: string, at: number, mark: string): { token: Token; end: number } {
  const said: string[] = [];
  for (let end = at + 1; end < text.length; end++) {
    if (text[end] === mark) return { token: { kind: 'text', text: said.join(''), at }, end: end + 1 };
    if (text[end] === '\\') end++;
    said.push(text[end] ?? '');
  }
  throw badQuery(`the quotation mark at character ${at + 1}`, 'is not closed');
}
