import { createHash } from 'node:crypto';
import type { Right } from '../../policy/rights/rights.js';

/**
 * What sessions of a user were given, as short numbers for each right; `undefined` for more rights than a list has. What is
 * open in a condition is part of a right, and when a window ends is not.
 */
export type Digest = { allow: number[]; deny: number[] } | undefined;

const hexDigits = 13;

/** The rights of a list, ready to be compared and kept. */
export function digestOf({ allow, deny }: { allow: readonly Right[]; deny: readonly Right[] }): NonNullable<Digest> {
  return { allow: allow.map(numberOf), deny: deny.map(numberOf) };
}

/** Whether a list allows less than another, or may: a right that is written in other words counts as taken away. */
export function takesAway(before: Digest, after: Digest): boolean {
  if (!before || !after) return true;
  const [allowed, denied] = [new Set(after.allow), new Set(before.deny)];
  return before.allow.some((right) => !allowed.has(right)) || after.deny.some((right) => !denied.has(right));
}

/** What sessions may have that were given one or the other. */
export function eitherOf(one: Digest, other: Digest): Digest {
  if (!one || !other) return undefined;
  const denied = new Set(other.deny);
  return { allow: [...new Set([...one.allow, ...other.allow])], deny: one.deny.filter((right) => denied.has(right)) };
}

/** Two rights have the same number once in four quadrillions. */
function numberOf({ action, resource, condition }: Right): number {
  const text = JSON.stringify([action, resource, condition ?? null]);
  return Number.parseInt(createHash('sha256').update(text).digest('hex').slice(0, hexDigits), 16);
}
