import { DomainError } from '../../errors.js';
import { attributeNameForm } from '../../shapes.js';

/** A text cannot be read; the message says why. */
export class UnreadableRow extends Error {
  override readonly name = 'UnreadableRow';
}

const plain = ['name', 'type', 'segment', 'keySha256', 'code'] as const;
const attribute = 'attributes.';
const mostFields = 100;

/** The fields of a line (RFC 4180), in linear time. A quoted field ends on its line. @throws UnreadableRow */
export function fieldsOf(line: string): string[] {
  const fields: string[] = [];
  for (let at = 0; at <= line.length; at++) {
    if (fields.length === mostFields) throw new UnreadableRow(`it has more than ${mostFields} fields`);
    const isQuoted = line[at] === '"';
    const end = isQuoted ? endOfQuoted(line, at) : endOfPlain(line, at);
    const text = isQuoted ? line.slice(at + 1, end - 1).replaceAll('""', '"') : line.slice(at, end);
    if (!isQuoted && text.includes('"')) throw new UnreadableRow('it has a quote inside a field that is not quoted');
    if (end < line.length && line[end] !== ',') throw new UnreadableRow('it has text after a quoted field');
    fields.push(text);
    at = end;
  }
  return fields;
}

function endOfPlain(line: string, from: number): number {
  const comma = line.indexOf(',', from);
  return comma < 0 ? line.length : comma;
}

/** Behind the closing quote. */
function endOfQuoted(line: string, from: number): number {
  for (let at = line.indexOf('"', from + 1); at >= 0; at = line.indexOf('"', at + 2)) {
    if (line[at + 1] !== '"') return at + 1;
  }
  throw new UnreadableRow('a quoted field does not end on its line');
}

/**
 * Returns what makes members of the fields of each further line, by the first line: name, type, segment, policies, keySha256, code,
 * attributes (JSON) and attributes.NAME. An empty field is none. @throws DomainError `invalid-request`
 */
export function columnsOf(header: string): (line: string) => Record<string, unknown> {
  const names = readHeader(header);
  return (line) => {
    const fields = fieldsOf(line);
    if (fields.length !== names.length)
      throw new UnreadableRow(`it has ${fields.length} fields, the header has ${names.length}`);
    const row: Record<string, unknown> = {};
    const attributes: [string, string][] = [];
    for (const [at, name] of names.entries()) {
      const text = fields[at]!;
      if (text === '') continue;
      if (name.startsWith(attribute)) attributes.push([name.slice(attribute.length), text]);
      else row[name] = valueOf(name, text);
    }
    if (attributes.length > 0) row['attributes'] = merged(row['attributes'], attributes);
    return row;
  };
}

function readHeader(header: string): string[] {
  const refuse = (why: string) =>
    new DomainError(
      'invalid-request',
      `the first line has to name the columns of the CSV, separated by commas: ${why}`,
    );
  const names = readable(() => fieldsOf(header), refuse);
  const unknown = names.find((name) => !isColumn(name));
  if (unknown !== undefined) throw refuse(`there is no column ${JSON.stringify(unknown.slice(0, 100))}`);
  if (new Set(names).size < names.length) throw refuse('one is named twice');
  if (!names.includes('name')) throw refuse('name is missing');
  return names;
}

function readable<Result>(read: () => Result, refuse: (why: string) => Error): Result {
  try {
    return read();
  } catch (error) {
    throw error instanceof UnreadableRow ? refuse(error.message) : error;
  }
}

const isColumn = (name: string): boolean =>
  (plain as readonly string[]).includes(name) ||
  ['attributes', 'policies'].includes(name) ||
  (name.startsWith(attribute) && attributeNameForm.test(name.slice(attribute.length)));

function valueOf(name: string, text: string): unknown {
  if (name === 'policies') return text.split(/[ ;]+/).filter((policy) => policy !== '');
  return name === 'attributes' ? parseJson(text) : text;
}

function merged(given: unknown, more: [string, string][]): unknown {
  if (given !== undefined && (typeof given !== 'object' || given === null || Array.isArray(given))) return given;
  return { ...given, ...Object.fromEntries(more) };
}

/** @throws UnreadableRow */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UnreadableRow('it is not JSON');
  }
}
