/** A column of a table: its heading, and the member that it shows, with dots between the names of members. */
export type Column = readonly [heading: string, member: string];

// HAZARD: devices choose names and attributes. Sequences of a terminal among them could rewrite what a person reads, and
// characters that reverse the direction of text could make one name look like another.
const unseen = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;

/** A text as a terminal may be given it: without control characters, and on one line. */
export const plain = (text: string): string => text.replace(/[\r\n\t]/g, ' ').replace(unseen, '\uFFFD');

/** The member of an object that a column shows. */
export function memberOf(item: unknown, member: string): unknown {
  return member
    .split('.')
    .reduce<unknown>((value, name) => (isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined), item);
}

/** A value in one cell: lists with commas, objects as `name=value`. */
export function cellOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (Array.isArray(value)) return value.map(cellOf).join(',');
  if (isObject(value))
    return Object.entries(value)
      .map(([name, each]) => `${name}=${cellOf(each)}`)
      .join(',');
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** A record of CSV (RFC 4180), with its line end. */
export const csvLine = (cells: string[]): string =>
  `${cells.map((cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(',')}\r\n`;

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
