import { format, resolveConfig } from 'prettier';

/** A table, formatted later. */
export function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** What stands in backticks; nothing for nothing. */
export const code = (text: string | undefined): string => (text === undefined || text === '' ? '' : `\`${text}\``);

/** Markdown as the formatter of the repository leaves it. */
export async function formatted(path: string, text: string): Promise<string> {
  return format(text, { ...(await resolveConfig(path)), filepath: path });
}
