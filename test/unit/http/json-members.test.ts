import fc from 'fast-check';
import { expect, it } from 'vitest';
import { findRepeat, repeatedMember } from '../../../src/http/json-members.js';

it.each([
  ['{"a":1,"a":2}', 'a'],
  ['{"a":1,"\\u0061":2}', 'a'],
  ['[{"b":{"a":[{"x":1}],"c":"}{"}},{"b":1,"c":2,"b":3}]', 'b'],
  ['{"a":{"a":{"a":1}},"b":["a","a"],"c":"a"}', undefined],
  ['["a","a",{"a\\"":1,"a":"\\\\"}]', undefined],
  ['"text"', undefined],
  ['{"__proto__":1,"__proto__":2}', '__proto__'],
])('finds the member that is there twice in %s', (json, name) => {
  expect(repeatedMember(json)).toBe(name);
  expect(findRepeat(json)?.code).toBe(name === undefined ? undefined : 'invalid-policy');
});

it('finds none in any text that JSON.stringify writes, and one as soon as an object is opened twice', () => {
  fc.assert(
    fc.property(fc.json(), fc.string(), (json, name) => {
      expect(repeatedMember(json)).toBeUndefined();
      const member = JSON.stringify(name);
      expect(repeatedMember(`{${member}:${json},"another${name.replace(/[^a-z]/g, '')}":[${json}],${member}:1}`)).toBe(
        name,
      );
    }),
    { numRuns: 2000 },
  );
});

it('is done in one pass, however deep', () => {
  expect(repeatedMember(`${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`)).toBeUndefined();
});
