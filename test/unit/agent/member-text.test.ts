import fc from 'fast-check';
import { expect, it } from 'vitest';
import { memberText } from '../../../src/agent/publish/member-text.js';

const blank = fc.constantFrom('', ' ', '\n\t', '  ');
const numbers = fc.constantFrom('9007199254740993', '1e400', '-0', '0.10', '1E+2', '123456789012345678901234567890');
const value = fc.oneof(
  numbers,
  fc.json({ maxDepth: 3 }),
  fc.tuple(numbers, blank, fc.json()).map(([number, space, json]) => `[${space}${number} ,${json}${space}]`),
);
const name = fc.oneof(fc.constantFrom('payload', 'pay', '"', 'a\\', '}{'), fc.string({ maxLength: 6 }));
const members = fc.array(fc.tuple(name, value, blank, blank), { maxLength: 6 });

it('is that of the last member of the name, as it was written, on one line', () => {
  fc.assert(
    fc.property(members, value, members, (before, wanted, after) => {
      const others = after.filter(([each]) => each !== 'payload');
      const all = [...before, ['payload', wanted, ' ', '\r\n'] as const, ...others];
      const text = all.map(
        ([key, each, left, right]) => `${left}${JSON.stringify(key)}${right}:${left}${each}${right}`,
      );
      const whole = ` {${text.join(',')}}\n`;
      const found = memberText(whole, 'payload');
      expect(found).not.toMatch(/[\r\n]/);
      expect(found).toBe(
        wanted
          .split(/("(?:[^"\\]|\\.)*")/)
          .map((part) => (part.startsWith('"') ? part : part.replaceAll(/\s/g, '')))
          .join(''),
      );
      expect((JSON.parse(whole) as { payload: unknown }).payload).toEqual(JSON.parse(wanted));
    }),
    { numRuns: 20_000 },
  );
});

it('takes as long as the text is', () => {
  const work = (size: number): string =>
    memberText(`{"a":"${'\\"'.repeat(size)}","payload":${'['.repeat(size)}${']'.repeat(size)}}`, 'payload');
  expect(work(100_000)).toHaveLength(200_000);
});
