import {
  badQuery,
  compareAttribute,
  compareWords,
  createQueryCost,
  mostOfQuery,
  readMoment,
  timeFields,
  wordFields,
  type QueryCost,
  type ThingQuery,
  type TimeField,
  type TimeOperator,
  type WordField,
} from './query.js';
import { tokensOf, type Token } from './tokens.js';

type Reader = {
  /** The next token, which stays. */
  peek(): Token | undefined;
  next(): Token | undefined;
  cost: QueryCost;
};

/**
 * Reads a query in its text form, such as `type = pump and attributes.site in (oslo, bergen)`. In linear time.
 * @throws DomainError `invalid-request`, which says where
 */
export function readQueryText(text: string): ThingQuery {
  if (text.length > mostOfQuery.characters) throw badQuery('', `may have ${mostOfQuery.characters} characters at most`);
  const tokens = tokensOf(text);
  let at = 0;
  const reader: Reader = { peek: () => tokens[at], next: () => tokens[at++], cost: createQueryCost() };
  if (tokens.length === 0) throw badQuery('', 'is empty: write a comparison such as type = pump');
  const query = readOr(reader, 1);
  const rest = reader.peek();
  if (rest) throw unexpected(rest, 'and, or, or the end');
  return query;
}

function readOr(reader: Reader, depth: number): ThingQuery {
  const all = readSeries(reader, 'or', () => readAnd(reader, depth));
  return all.length === 1 ? all[0]! : { or: all };
}

function readAnd(reader: Reader, depth: number): ThingQuery {
  const all = readSeries(reader, 'and', () => readOne(reader, depth));
  return all.length === 1 ? all[0]! : { and: all };
}

function readSeries(reader: Reader, word: string, read: () => ThingQuery): ThingQuery[] {
  const all = [read()];
  while (isWord(reader.peek(), word)) {
    reader.next();
    all.push(read());
  }
  return all;
}

function readOne(reader: Reader, depth: number): ThingQuery {
  reader.cost.deeper(depth);
  const token = reader.next();
  if (isWord(token, 'not')) return { not: readOne(reader, depth + 1) };
  if (token?.kind !== '(') return readComparison(reader, token);
  const query = readOr(reader, depth + 1);
  expect(reader, ')');
  return query;
}

function readComparison(reader: Reader, token: Token | undefined): ThingQuery {
  const field = token?.kind === 'word' ? token.text : undefined;
  const wanted = 'a name, such as type, attributes.site or lastSeenAt,';
  if (field === undefined) throw unexpected(token, wanted);
  if (field.startsWith('attributes.'))
    return readWords(reader, (values) => compareAttribute(field.slice('attributes.'.length), values));
  if (isOf(wordFields, field)) return readWords(reader, (values) => compareWords(field as WordField, values));
  if (isOf(timeFields, field)) return readTime(reader, field as TimeField);
  throw unexpected(token, wanted);
}

function readWords(reader: Reader, compare: (values: (string | null)[]) => ThingQuery): ThingQuery {
  const not = takeWord(reader, 'not');
  if (takeWord(reader, 'in')) return negated(not, reader.cost.add(compare(readList(reader))));
  const operator = reader.next();
  if (not || (operator?.kind !== '=' && operator?.kind !== '!=')) throw unexpected(operator, '=, != or in (...)');
  return negated(operator.kind === '!=', reader.cost.add(compare([readValue(reader)])));
}

function readTime(reader: Reader, field: TimeField): ThingQuery {
  const operator = reader.next();
  const kind = operator?.kind;
  if (kind === '=' || kind === '!=') {
    const value = reader.next();
    if (!isWord(value, 'null')) throw unexpected(value, 'null, as times have no other equal: use < or >');
    return negated(kind === '!=', reader.cost.add({ field, none: true }));
  }
  if (!isOf(['<', '<=', '>', '>='], kind ?? '')) throw unexpected(operator, '<, <=, > or >=');
  const value = readValue(reader);
  if (value === null) throw badQuery(field, 'has no order with null: use = null');
  return reader.cost.add({ field, operator: kind as TimeOperator, moment: readMoment(value, field) });
}

function readList(reader: Reader): (string | null)[] {
  expect(reader, '(');
  const values = [readValue(reader)];
  while (reader.peek()?.kind === ',') {
    reader.next();
    values.push(readValue(reader));
  }
  expect(reader, ')');
  return values;
}

/** A word or a text in quotation marks. The word null is no text: it means that there is none. */
function readValue(reader: Reader): string | null {
  const token = reader.next();
  if (token?.kind !== 'word' && token?.kind !== 'text') throw unexpected(token, 'a value');
  return isWord(token, 'null') ? null : token.text;
}

const negated = (not: boolean, query: ThingQuery): ThingQuery => (not ? { not: query } : query);

const isOf = (words: readonly string[], word: string): boolean => words.includes(word);

const isWord = (token: Token | undefined, word: string): boolean =>
  token?.kind === 'word' && token.text.toLowerCase() === word;

function takeWord(reader: Reader, word: string): boolean {
  if (!isWord(reader.peek(), word)) return false;
  reader.next();
  return true;
}

function expect(reader: Reader, kind: Token['kind']): void {
  const token = reader.next();
  if (token?.kind !== kind) throw unexpected(token, kind);
}

function unexpected(token: Token | undefined, wanted: string) {
  const found = token ? `"${token.text.slice(0, 40)}" at character ${token.at + 1}` : 'the end';
  return badQuery(found, `stands where ${wanted} is expected; put values with other characters in quotation marks`);
}
