import { cellOf, memberOf, plain, type Column } from './cells.js';

/** How a table is drawn: how wide it may be (unlimited where the output is no terminal), and whether in colours. */
export type Look = { width: number | undefined; colours: boolean };

const narrowest = 8;
const gap = '  ';
const green = 32;
const yellow = 33;
const red = 31;
const bold = 1;

const colourOf: Record<string, number> = {
  active: green,
  allow: green,
  approved: green,
  waiting: yellow,
  suspended: yellow,
  held: yellow,
  expired: yellow,
  revoked: red,
  denied: red,
  deny: red,
  deleted: red,
};

/** The lines of a table without its headings, and of the headings alone, for columns of the same widths. */
export type Table = { head: string; lines: string[] };

/** Draws items as a table that fits into the width, by shortening its widest columns. */
export function tableOf(items: readonly unknown[], columns: readonly Column[], { width, colours }: Look): Table {
  const rows = items.map((item) => columns.map(([, member]) => plain(cellOf(memberOf(item, member)))));
  const headings = columns.map(([heading]) => heading);
  const widths = fitting(widthsOf([headings, ...rows]), width);
  const paint = colours ? painted : (_cell: string, text: string) => text;
  return {
    head: colours ? inColour(lineOf(headings, widths, unpainted), bold) : lineOf(headings, widths, unpainted),
    lines: rows.map((row) => lineOf(row, widths, paint)),
  };
}

function widthsOf(rows: string[][]): number[] {
  const widths: number[] = [];
  for (const row of rows) for (const [n, cell] of row.entries()) widths[n] = Math.max(widths[n] ?? 0, cell.length);
  return widths;
}

/** Takes from the widest column first, and from none below a width that can be read. */
function fitting(widths: number[], limit: number | undefined): number[] {
  const fitted = [...widths];
  const between = gap.length * (widths.length - 1);
  const total = (): number => fitted.reduce((sum, each) => sum + each, between);
  while (limit !== undefined && total() > limit) {
    const widest = fitted.indexOf(Math.max(...fitted));
    const next = Math.max(narrowest, fitted[widest]! - (total() - limit), secondOf(fitted, widest) - 1);
    if (next >= fitted[widest]!) break;
    fitted[widest] = next;
  }
  return fitted;
}

const secondOf = (widths: number[], without: number): number =>
  Math.max(0, ...widths.filter((_, index) => index !== without));

type Paint = (cell: string, text: string) => string;
const unpainted: Paint = (_cell, text) => text;
const painted: Paint = (cell, text) => (colourOf[cell] === undefined ? text : inColour(text, colourOf[cell]));
const inColour = (text: string, colour: number): string => `\u001B[${colour}m${text}\u001B[0m`;

function lineOf(cells: string[], widths: number[], paint: Paint): string {
  const shown = cells.map((cell, n) => {
    const width = widths[n]!;
    const text = cell.length > width ? `${cell.slice(0, width - 1)}…` : cell;
    const isLast = n === cells.length - 1;
    return `${paint(cell, text)}${isLast ? '' : ' '.repeat(width - text.length)}`;
  });
  return shown.join(gap).trimEnd();
}
