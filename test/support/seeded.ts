import { randomInt } from 'node:crypto';
import { createRandom, type Random } from './policy-cases.js';

/**
 * Random choices for a test, other ones in every run. The seed is printed with the name of the test;
 * `TEST_SEED=<seed>` makes the same choices again.
 */
export function seeded(name: string): Random {
  const seed = Number(process.env['TEST_SEED'] ?? randomInt(2 ** 31));
  console.log(`${name}: TEST_SEED=${seed}`);
  return createRandom(seed);
}
