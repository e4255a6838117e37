import type { Random } from '../policy-cases.js';
import type { World } from './world.js';

/** Makes the body of a request. */
export type Recipe = (world: World, random: Random) => unknown;

/** A name that nothing has yet. */
export const name = (random: Random): string => `f-${random.below(1_000_000_000)}`;
