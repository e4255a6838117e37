import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matchesGlob } from '../../../src/policy/glob.js';

/** The plain meaning of a glob, by backtracking. */
function plainly(pattern: string, name: string): boolean {
  if (pattern === '') return name === '';
  if (pattern[0] === '*') return plainly(pattern.slice(1), name) || (name !== '' && plainly(pattern, name.slice(1)));
  return name !== '' && (pattern[0] === '?' || pattern[0] === name[0]) && plainly(pattern.slice(1), name.slice(1));
}

const text = (letters: string, maxLength: number) =>
  fc.array(fc.constantFrom(...letters), { maxLength }).map((parts) => parts.join(''));

describe('matchesGlob', () => {
  it('agrees with the plain meaning in 100,000 cases', () => {
    let matched = 0;
    fc.assert(
      fc.property(text('ab*?', 8), text('ab-', 8), (pattern, name) => {
        const want = plainly(pattern, name);
        if (want) matched++;
        expect(matchesGlob(pattern, name)).toBe(want);
      }),
      { numRuns: 100_000 },
    );
    expect(matched).toBeGreaterThan(1000);
  });

  it('is quick on a pattern made to be slow', () => {
    expect(matchesGlob('a*'.repeat(60) + 'b', 'a'.repeat(128))).toBe(false);
  });
});
