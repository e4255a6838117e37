import { describe, expect, it } from 'vitest';
import { csvLine, plain } from '../../../../src/cli/output/cells.js';
import { writeList, type Format } from '../../../../src/cli/output/output.js';
import { tableOf } from '../../../../src/cli/output/table.js';

const columns = [
  ['NAME', 'name'],
  ['STATUS', 'status'],
  ['POLICIES', 'policies'],
] as const;
const items = [
  { name: 'pump-1', status: 'active', policies: ['telemetry', 'firmware'] },
  { name: 'pump-2', status: 'revoked', policies: [] },
];

async function* each<T>(all: T[]): AsyncGenerator<T> {
  for (const item of all) yield await Promise.resolve(item);
}

async function written(format: Format, all: object[] = items): Promise<string> {
  let text = '';
  const out = {
    format,
    look: { width: undefined, colours: false },
    write: async (more: string) => void (text += more),
  };
  await writeList(out, each(all), columns);
  return text;
}

describe('what operators read', () => {
  it('is a table, which fits into the terminal', () => {
    const { head, lines } = tableOf(items, columns, { width: undefined, colours: false });
    expect([head, ...lines]).toEqual([
      'NAME    STATUS   POLICIES',
      'pump-1  active   telemetry,firmware',
      'pump-2  revoked',
    ]);
    for (const width of [30, 33, 40])
      for (const line of tableOf(items, columns, { width, colours: false }).lines)
        expect(line.length).toBeLessThanOrEqual(width);
  });

  it('has colours only where they are asked for', () => {
    expect(tableOf(items, columns, { width: 80, colours: true }).lines[1]).toContain('\u001B[31mrevoked\u001B[0m');
    expect(tableOf(items, columns, { width: 80, colours: false }).lines.join('')).not.toContain('\u001B');
  });

  it('cannot be rewritten by what a device calls itself', () => {
    expect(plain('a\u001B[2Jb\u202Ec\nd')).toBe('a\uFFFD[2Jb\uFFFDc d');
  });

  it('is JSON, YAML or CSV for programs', async () => {
    expect(JSON.parse(await written('json'))).toEqual(items);
    expect(JSON.parse(await written('json', []))).toEqual([]);
    expect(await written('yaml')).toContain('- name: pump-1\n  status: active\n');
    expect(await written('csv')).toBe(
      'name,status,policies\r\npump-1,active,"telemetry,firmware"\r\npump-2,revoked,\r\n',
    );
    expect(csvLine(['a"b', 'c'])).toBe('"a""b",c\r\n');
  });
});
