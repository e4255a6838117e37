import { readFileSync } from 'node:fs';

/** docs/edge.md, as tests read it. */
export const edgePaper = readFileSync('docs/edge.md', 'utf8');

/** The block of code after a mark such as `<!-- test: settings -->`. @throws Error when there is none */
export function blockOf(name: string, paper = edgePaper): string {
  const [, block] = new RegExp(`<!-- test: ${name} -->\\n\\n\`\`\`\\w*\\n([^]*?)\`\`\``).exec(paper) ?? [];
  if (block === undefined) throw new Error(`there is no block ${name}`);
  return block;
}

/** The cells of the table after a mark, row by row, without its head. @throws Error when there is none */
export function tableOf(name: string, paper = edgePaper): string[][] {
  const [, table] = new RegExp(`<!-- test: ${name} -->\\n\\n((?:\\|.*\\n)+)`).exec(paper) ?? [];
  if (table === undefined) throw new Error(`there is no table ${name}`);
  const rows = table.trim().split('\n').slice(2);
  return rows.map((row) =>
    row
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  );
}

/** What stands in backticks. */
export function quotedIn(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, quoted]) => quoted!);
}
