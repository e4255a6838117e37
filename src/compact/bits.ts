/**
 * A set of small numbers, one bit each, the lowest bit of each octet first: the form of a Token Status List. In pieces of
 * `pieceOctets`, without those that have no member: a restored database leaves wide gaps, and they cost nothing.
 */
export type Bitmap = { size: number; pieces: Map<number, Uint8Array> };

/** Bitmaps are held in pieces of this many octets. One that is empty is not held. */
export const pieceOctets = 65_536;
const pieceBits = pieceOctets * 8;
const sliceNumbers = 100_000;

/** A bitmap of `size` bits with those at `indices` set. It yields now and then, so that millions can be set in slices. */
export function* bitmapOf(indices: ArrayLike<number>, size: number): Generator<void, Bitmap> {
  const pieces = new Map<number, Uint8Array>();
  for (let n = 0; n < indices.length; n++) {
    const index = indices[n]!;
    if (!(index >= 0 && index < size)) throw new RangeError(`index ${index} is not below ${size}`);
    const number = Math.floor(index / pieceBits);
    let piece = pieces.get(number);
    if (!piece) pieces.set(number, (piece = new Uint8Array(lengthOf(number, size))));
    setBit(piece, index % pieceBits);
    if (n % sliceNumbers === sliceNumbers - 1) yield;
  }
  return { size, pieces };
}

/** The octets of a piece: the last may have fewer. */
function lengthOf(number: number, size: number): number {
  return Math.min(pieceOctets, Math.ceil(size / 8) - number * pieceOctets);
}

function setBit(piece: Uint8Array, bit: number): void {
  piece[bit >>> 3]! |= 1 << (bit & 7);
}

/** Whether a number is in the set; numbers beyond the end are not. */
export function isSet({ size, pieces }: Bitmap, index: number): boolean {
  const piece = index >= 0 && index < size ? pieces.get(Math.floor(index / pieceBits)) : undefined;
  return piece !== undefined && isSetIn(piece, index % pieceBits);
}

/** Whether a bit is set in octets; beyond their end none is. */
export function isSetIn(bytes: Uint8Array, index: number): boolean {
  return index >= 0 && ((bytes[Math.floor(index / 8)] ?? 0) & (1 << (index % 8))) !== 0;
}

/** The numbers in a bitmap, rising. */
export function* members({ pieces }: Bitmap): Generator<number> {
  for (const number of [...pieces.keys()].sort((a, b) => a - b)) {
    const piece = pieces.get(number)!;
    for (let at = 0; at < piece.length; at++) {
      for (let octet = piece[at]!; octet !== 0; octet &= octet - 1)
        yield number * pieceBits + at * 8 + (31 - Math.clz32(octet & -octet));
    }
  }
}

/** Writes numbers of any width up to 32 bits one behind the other, the highest bit first. */
export function createBitWriter(bits: number) {
  const bytes = new Uint8Array(Math.ceil(bits / 8));
  let at = 0;
  return {
    bytes,
    position: (): number => at,
    write(value: number, width: number): void {
      for (let left = width; left > 0;) {
        const room = 8 - (at & 7);
        const take = Math.min(room, left);
        const piece = Math.floor(value / 2 ** (left - take)) % 2 ** take;
        bytes[at >>> 3]! |= piece << (room - take);
        at += take;
        left -= take;
      }
    },
    skip(count: number): void {
      at += count;
    },
  };
}

/** Reads what {@link createBitWriter} wrote, from any bit on. */
export function createBitReader(bytes: Uint8Array, start: number) {
  let at = start;
  const read = (width: number): number => {
    let value = 0;
    for (let left = width; left > 0;) {
      if (at >>> 3 >= bytes.length) throw new RangeError('the list is cut short');
      const room = 8 - (at & 7);
      const take = Math.min(room, left);
      value = value * 2 ** take + ((bytes[at >>> 3]! >> (room - take)) & ((1 << take) - 1));
      at += take;
      left -= take;
    }
    return value;
  };
  return {
    position: (): number => at,
    read,
    /** How many ones stand before the next zero, which is read too. */
    ones(): number {
      let count = 0;
      while (read(1) === 1) count++;
      return count;
    },
  };
}
