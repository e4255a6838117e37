import { describe, expect, it } from 'vitest';
import { columnsOf, fieldsOf, UnreadableRow } from '../../../src/expected/reading/csv.js';
import { linesOf, type Line } from '../../../src/expected/reading/lines.js';
import { rowsOf, type ReadRow } from '../../../src/expected/reading/rows.js';
import { mostOfUpload } from '../../../src/limits.js';

async function* chunked(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size));
}

async function all<Item>(groups: AsyncIterable<Item[]>): Promise<Item[]> {
  const items: Item[] = [];
  for await (const group of groups) items.push(...group);
  return items;
}

const lines = (text: string | Buffer, size = 7): Promise<Line[]> => all(linesOf(chunked(Buffer.from(text), size)));

describe('lines of an upload', () => {
  it('are the same however they are cut', async () => {
    const text = 'äöü\r\n\n{"a":"€"}\nlast';
    const whole = await lines(text, 1000);
    expect(whole).toEqual([
      { number: 1, text: 'äöü' },
      { number: 3, text: '{"a":"€"}' },
      { number: 4, text: 'last' },
    ]);
    for (let size = 1; size < 20; size++) expect(await lines(text, size)).toEqual(whole);
  });

  it('may be long, up to a limit, and no longer', async () => {
    const most = mostOfUpload.octetsOfLine;
    const found = await lines(`${'a'.repeat(most)}\n${'b'.repeat(most + 1)}\nc`, 1000);
    expect(found.map(({ number, unreadable }) => [number, unreadable !== undefined])).toEqual([
      [1, false],
      [2, true],
      [3, false],
    ]);
  });

  it('have to be UTF-8, each by itself', async () => {
    const found = await lines(
      Buffer.concat([Buffer.from([0xc3, 10]), Buffer.from('b\n'), Buffer.from([0xed, 0xa0, 0x80])]),
    );
    expect(found.map((line) => line.unreadable ?? line.text)).toEqual([
      'the line is not UTF-8',
      'b',
      'the line is not UTF-8',
    ]);
  });
});

describe('CSV', () => {
  it.each<[string, string[]]>([
    ['', ['']],
    ['a', ['a']],
    ['a,', ['a', '']],
    [',a', ['', 'a']],
    ['"a,b","c""d",""', ['a,b', 'c"d', '']],
    ['""""', ['"']],
    ['a b, c', ['a b', ' c']],
  ])('%j is %j', (line, fields) => {
    expect(fieldsOf(line)).toEqual(fields);
  });

  it.each(['"', '"a', 'a"b', '"a"b', '"a" ,b', '"""'])('%j is refused', (line) => {
    expect(() => fieldsOf(line)).toThrow(UnreadableRow);
  });

  it('is read in linear time', () => {
    const text = `"${'""'.repeat(16_000)}`;
    expect(() => fieldsOf(text)).toThrow(UnreadableRow);
    expect(fieldsOf(`${text}"`)).toEqual(['"'.repeat(16_000)]);
  });

  it('has attributes in a column each, in JSON, or both', () => {
    const read = columnsOf('name,attributes,attributes.site,policies');
    expect(read('a,"{""line"":""4""}",oslo,p;q r')).toEqual({
      name: 'a',
      attributes: { line: '4', site: 'oslo' },
      policies: ['p', 'q', 'r'],
    });
    expect(read('a,,,')).toEqual({ name: 'a' });
    expect(read('a,7,oslo,')).toEqual({ name: 'a', attributes: 7 });
  });
});

describe('rows', () => {
  it('end an upload that has more than may be', async () => {
    async function* many(): AsyncGenerator<Line[]> {
      for (let at = 0; at <= mostOfUpload.rows; at += 1000)
        yield await Promise.resolve(
          Array.from({ length: 1000 }, (_, n) => ({ number: at + n + 1, unreadable: 'odd' })),
        );
    }
    let count = 0;
    const reading = async () => {
      for await (const rows of rowsOf('ndjson', many())) count += rows.length;
    };
    await expect(reading()).rejects.toMatchObject({ code: 'payload-too-large' });
    expect(count).toBe(mostOfUpload.rows);
  });

  it.each<[string, string]>([
    ['{"name":"a","type":"b c"}', 'type'],
    ['{"name":"a","keySha256":"00"}', 'keySha256'],
    ['{"name":"a","policies":[]}', 'policies'],
    ['{"name":"a","code":"a b c d"}', 'code'],
    ['{"name":"a","attributes":{"site":1}}', 'attributes.site'],
    ['{"name":"a","__proto__":{"type":"b"}}', ''],
    ['{"name":"a","thingId":"x"}', 'thingId'],
  ])('%s is refused for %s', async (text, why) => {
    const [row] = await all<ReadRow>(rowsOf('ndjson', linesOf(chunked(Buffer.from(text), 100))));
    expect(row).toMatchObject({ line: 1, reason: expect.stringContaining(why) });
  });
});
