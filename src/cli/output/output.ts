import type { Column } from './cells.js';
import { cellOf, csvLine, memberOf } from './cells.js';
import { tableOf, type Look } from './table.js';

/** The forms that `-o` takes: a table for people, the others for programs. */
export const formats = ['table', 'json', 'yaml', 'csv'] as const;
/** One of these forms. */
export type Format = (typeof formats)[number];

/** Where a command writes. */
export type Output = { format: Format; look: Look; write(text: string): Promise<void> };

// A list is as long as the fleet: it is never held whole. Widths of a table are those of the first rows.
const rowsAtOnce = 500;

/** Writes a list as it comes, in the form that was asked for. JSON and YAML have one array, of the objects that the API returns. */
export async function writeList(out: Output, items: AsyncIterable<unknown>, columns: readonly Column[]): Promise<void> {
  if (out.format === 'json') await writeJson(out, items);
  else if (out.format === 'yaml') await writeYaml(out, items);
  else if (out.format === 'csv') await writeCsv(out, items, columns);
  else await writeTable(out, items, columns);
}

/** Writes one object: a table has a line for each member that it has. */
export async function writeOne(out: Output, item: object): Promise<void> {
  if (out.format === 'json') return out.write(`${JSON.stringify(item, undefined, 2)}\n`);
  if (out.format === 'yaml') return out.write((await import('yaml')).stringify(item));
  const members = Object.entries(item);
  if (out.format === 'csv')
    return out.write(`${csvLine(members.map(([name]) => name))}${csvLine(members.map(([, value]) => cellOf(value)))}`);
  const rows = members.map(([name, value]) => ({ name, value: cellOf(value) }));
  const { lines } = tableOf(rows, pair, { ...out.look, width: undefined });
  await out.write(`${lines.join('\n')}\n`);
}

const pair = [
  ['', 'name'],
  ['', 'value'],
] as const;

async function writeJson(out: Output, items: AsyncIterable<unknown>): Promise<void> {
  let before = '[';
  for await (const item of items) {
    await out.write(`${before}\n${indented(JSON.stringify(item, undefined, 2))}`);
    before = ',';
  }
  await out.write(before === '[' ? '[]\n' : '\n]\n');
}

async function writeYaml(out: Output, items: AsyncIterable<unknown>): Promise<void> {
  const { stringify } = await import('yaml');
  let count = 0;
  for await (const item of items) {
    await out.write(stringify([item]));
    count++;
  }
  if (count === 0) await out.write('[]\n');
}

async function writeCsv(out: Output, items: AsyncIterable<unknown>, columns: readonly Column[]): Promise<void> {
  await out.write(csvLine(columns.map(([, member]) => member)));
  for await (const item of items) await out.write(csvLine(columns.map(([, member]) => cellOf(memberOf(item, member)))));
}

async function writeTable(out: Output, items: AsyncIterable<unknown>, columns: readonly Column[]): Promise<void> {
  let rows: unknown[] = [];
  let isFirst = true;
  const flush = async (): Promise<void> => {
    const { head, lines } = tableOf(rows, columns, out.look);
    if (rows.length > 0) await out.write(`${[...(isFirst ? [head] : []), ...lines].join('\n')}\n`);
    isFirst = false;
    rows = [];
  };
  for await (const item of items) if (rows.push(item) === rowsAtOnce) await flush();
  const isEmpty = isFirst && rows.length === 0;
  await flush();
  if (isEmpty) await out.write('Nothing matches.\n');
}

const indented = (text: string): string => `  ${text.replaceAll('\n', '\n  ')}`;
