import { describe, expect, it } from 'vitest';
import { readBlock, blockOption } from '../../../../src/edge/coap-messages/blocks.js';
import { formatCode } from '../../../../src/edge/coap-messages/codes.js';
import { numberOf, numberOption, optionNumber, type Option } from '../../../../src/edge/coap-messages/options.js';
import { readRequest, topicOf } from '../../../../src/edge/coap-messages/requests.js';
import { contentOf, largestBody, type Answer } from '../../../../src/edge/coap/answers.js';
import { createUploads } from '../../../../src/edge/coap/uploads.js';

const none = Buffer.alloc(0);
const text = (number: number, value: string): Option => ({ number, value: Buffer.from(value) });
const read = (options: Option[], code = 1) => readRequest({ code, token: none, options, payload: none });
const codeOf = (given: object): string => ('code' in given ? formatCode(given.code as number) : 'taken');

describe('a request of CoAP', () => {
  it('is refused for options that must be known, and taken with others', () => {
    const { uriPath, uriQuery, accessToken } = optionNumber;
    const cases: [Option[], string][] = [
      [[text(uriPath, 'a')], 'taken'],
      [[text(2, 'elective')], 'taken'],
      [[text(1, 'If-Match')], '4.02'],
      [[text(9, 'OSCORE')], '4.02'],
      [[text(uriPath, 'x'.repeat(256))], '4.02'],
      [[text(accessToken, 'a'), text(accessToken, 'b')], '4.02'],
      [[text(accessToken, 'x'.repeat(16_385))], '4.02'],
      [[numberOption(optionNumber.accept, 0), numberOption(optionNumber.accept, 0)], '4.02'],
      [[text(optionNumber.proxyUri, 'coap://a')], '5.05'],
      [[text(optionNumber.proxyScheme, 'http')], '5.05'],
      [[{ number: uriPath, value: Buffer.of(0xff) }], '4.00'],
      [[{ number: uriQuery, value: Buffer.of(0xc0, 0x80) }], '4.00'],
      [[text(uriQuery, 'client=a\0b')], '4.00'],
      [[{ number: optionNumber.block2, value: Buffer.of(7) }], '4.00'],
      [[{ number: optionNumber.block1, value: Buffer.of(7) }], '4.00'],
      // An elective option that makes no sense is passed over.
      [[{ number: optionNumber.observe, value: Buffer.of(1, 2, 3, 4) }], 'taken'],
    ];
    for (const [options, expected] of cases) expect(codeOf(read(options)), JSON.stringify(options)).toBe(expected);
    for (const code of [4, 5, 6, 7, 31]) expect(codeOf(read([], code))).toBe('4.05');
  });

  it('has its token in option 65001 or in the query, by either name', () => {
    const { uriQuery, accessToken } = optionNumber;
    const shown = (options: Option[]) => (read(options) as { accessToken?: string }).accessToken;
    expect(shown([text(accessToken, 'a.b.c')])).toBe('a.b.c');
    expect(shown([text(uriQuery, 'x=1'), text(uriQuery, 'auth=a.b.c')])).toBe('a.b.c');
    expect(shown([text(uriQuery, `token=${'t'.repeat(900)}`)])).toHaveLength(900);
    expect(shown([text(uriQuery, 'token='), text(uriQuery, 'tokens=1')])).toBeUndefined();
  });

  it('has a path that is a topic, or none', () => {
    expect(topicOf(['a', '', 'ä'])).toBe('a//ä');
    for (const path of [[], [''], ['a/b'], ['+'], ['a#'], ['a\0'], ['$share', 'g', 't'], ['x'.repeat(1025)]])
      expect(typeof topicOf(path), JSON.stringify(path)).toBe('object');
  });
});

describe('bodies in blocks', () => {
  it('are read and written as RFC 7959 has it', () => {
    for (const block of [
      { number: 0, more: false, size: 16 },
      { number: 1, more: true, size: 1024 },
      { number: 1_048_575, more: true, size: 64 },
    ])
      expect(readBlock(blockOption(23, block).value)).toEqual(block);
    expect(readBlock(Buffer.of(1, 2, 3, 4))).toBeNull();
  });

  it('are put together in order, bounded, and begun again', () => {
    let now = 0;
    const uploads = createUploads(() => now);
    const part = (number: number, more: boolean, octets = 64, key = 'a'): Buffer | Answer =>
      uploads.take(key, { number, more, size: 64 }, Buffer.alloc(octets, number));
    const code = (given: Buffer | Answer) => (Buffer.isBuffer(given) ? given.length : formatCode(given.code));
    expect([part(0, true), part(1, true), part(2, false, 3)].map(code)).toEqual(['2.31', '2.31', 131]);
    expect([part(0, true), part(2, true), part(1, true)].map(code)).toEqual(['2.31', '4.08', '4.08']);
    expect([part(0, true, 63), part(0, false, 65)].map(code)).toEqual(['4.00', '4.00']);
    part(0, true);
    now = 60_001;
    expect(code(part(1, true))).toBe('4.08');
    for (const key of ['a', 'b', 'c', 'd', 'e']) part(0, true, 64, key);
    expect(['a', 'e'].map((key) => code(part(1, true, 64, key)))).toEqual(['4.08', '2.31']);
    let last: string | number = '';
    for (let number = 0; number <= largestBody / 64 && last !== '4.13'; number++) last = code(part(number, true));
    expect(last).toBe('4.13');
    expect(code(part(0, false, 0))).toBe(0);
  });

  it('are cut from a value, at the place that is asked for', () => {
    const value = { payload: Buffer.alloc(100, 1), mediaType: 'application/json' };
    const room = { whole: 64, block: 32 };
    const at = (block2: ReturnType<typeof readBlock>, accept?: number) =>
      contentOf(value, { accept, block2: block2 ?? undefined }, room);
    const shown = ({ code, options, payload }: Answer) => [
      formatCode(code),
      readBlock(options.find(({ number }) => number === optionNumber.block2)!.value),
      payload.length,
    ];
    expect(shown(at(null))).toEqual(['2.05', { number: 0, more: true, size: 32 }, 32]);
    expect(shown(at({ number: 3, more: false, size: 32 }))).toEqual(['2.05', { number: 3, more: false, size: 32 }, 4]);
    expect(shown(at({ number: 1, more: false, size: 64 }))).toEqual(['2.05', { number: 2, more: true, size: 32 }, 32]);
    expect(formatCode(at({ number: 4, more: false, size: 32 }).code)).toBe('4.00');
    expect(formatCode(at(null, 60).code)).toBe('4.06');
    const whole = contentOf(
      { ...value, mediaType: undefined },
      { accept: 60, block2: undefined },
      { whole: 100, block: 32 },
    );
    expect([formatCode(whole.code), whole.payload.length, numberOf(whole.options[0]!.value)]).toEqual(['2.05', 100, 0]);
  });
});
