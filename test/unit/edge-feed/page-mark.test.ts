import { describe, expect, it } from 'vitest';
import { encodeMark, parseMark, type PageMark } from '../../../src/edge-feed/page-mark.js';

const epoch = '00000000-0000-4000-8000-000000000001';

describe('the mark of a page', () => {
  it('is read as it was written', () => {
    const marks: PageMark[] = [
      { epoch, position: 7, part: 'policies', after: 'a-policy_1' },
      { epoch, position: 0, part: 'segments', after: '' },
      { epoch, position: 999_999_999_999_999, part: 'recent', after: '41' },
    ];
    for (const mark of marks) expect(parseMark(encodeMark(mark))).toEqual(mark);
  });

  it('is refused in any other form', () => {
    const written = (text: string) => Buffer.from(text).toString('base64url');
    for (const text of [
      '',
      'x',
      '%00',
      written(`${epoch}:7`),
      written(`${epoch}:7 policies`),
      written(`${epoch}:7 things a`),
      written(`${epoch}:-7 policies a`),
      written(`${epoch}:7 policies ${'a'.repeat(65)}`),
      written(`${epoch}:7 policies a\nb`),
      written(`${epoch}:7 policies a'; --`),
    ])
      expect(() => parseMark(text)).toThrow(expect.objectContaining({ code: 'invalid-request' }));
  });

  it('of entries goes on from a number whatever it says', () => {
    expect(parseMark(encodeMark({ epoch, position: 7, part: 'recent', after: 'abc' })).after).toBe('0');
  });
});
