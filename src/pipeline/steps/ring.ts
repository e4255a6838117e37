/** The latest numbers, at most so many. */
export type Ring = {
  readonly size: number;
  /** How many there are. */
  count: number;
  /** Where the next goes. */
  next: number;
  values: Float64Array;
};

const firstRoom = 16;

/** Room for so many numbers; it is taken when they come. */
export const createRing = (size: number): Ring => ({
  size,
  count: 0,
  next: 0,
  values: new Float64Array(Math.min(size, firstRoom)),
});

/** Adds a number, in place of the oldest when there is no room. */
export function push(ring: Ring, value: number): void {
  const { values, size } = ring;
  if (ring.count === values.length && values.length < size) grow(ring);
  ring.values[ring.next] = value;
  ring.next = ring.next + 1 === size ? 0 : ring.next + 1;
  if (ring.count < size) ring.count++;
}

/** A number by its age: 0 is the oldest. */
export function oldest(ring: Ring, place: number): number {
  const start = ring.count < ring.size ? 0 : ring.next;
  const at = start + place;
  return ring.values[at < ring.size ? at : at - ring.size]!;
}

/** Forgets all numbers. */
export function empty(ring: Ring): void {
  ring.count = 0;
  ring.next = 0;
}

// Until it is full once, the numbers lie in order from 0.
function grow(ring: Ring): void {
  const wider = new Float64Array(Math.min(ring.size, ring.values.length * 4));
  wider.set(ring.values);
  ring.values = wider;
}

/** The mean and the variance of all of its numbers: two passes about the first, so that a large offset costs nothing. */
export function moments({ values, count }: Ring): { mean: number; variance: number } {
  const shift = values[0]!;
  let sum = 0;
  for (let index = 0; index < count; index++) sum += values[index]! - shift;
  const mean = sum / count;
  let squares = 0;
  for (let index = 0; index < count; index++) {
    const off = values[index]! - shift - mean;
    squares += off * off;
  }
  return { mean: shift + mean, variance: squares / count };
}
