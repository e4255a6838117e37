/** Who takes the lines of a stream. */
export type LineTaker = { line(octets: Buffer, number: number): void; tooLong(number: number): void };

const newline = 0x0a;
const firstOctets = 1024;
const none = Buffer.alloc(0);

/** Splits octets into lines of at most so many octets, without their ends; empty ones are left out, and of those that are too long no more is kept. */
export function createLines(most: number, { line, tooLong }: LineTaker) {
  let kept = none;
  let filled = 0;
  let isSkipping = false;
  let number = 1;

  const skip = (): void => {
    isSkipping = true;
    kept = none;
    filled = 0;
    tooLong(number);
  };

  const keep = (part: Buffer): void => {
    if (isSkipping) return;
    const size = filled + part.length;
    if (size > most) return skip();
    if (size > kept.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(firstOctets, size, 2 * kept.length));
      kept.copy(larger, 0, 0, filled);
      kept = larger;
    }
    part.copy(kept, filled);
    filled = size;
  };

  /** A line ends with these octets. */
  const finish = (part: Buffer): void => {
    if (filled > 0 || isSkipping) keep(part);
    else if (part.length > most) skip();
    const octets = filled > 0 ? kept.subarray(0, filled) : part;
    const isLine = !isSkipping && !octets.every((octet) => octet === 0x20 || octet === 0x0d || octet === 0x09);
    kept = none;
    filled = 0;
    isSkipping = false;
    if (isLine) line(octets, number);
    number++;
  };

  return {
    push(octets: Buffer): void {
      let from = 0;
      for (let at = octets.indexOf(newline); at >= 0; at = octets.indexOf(newline, from)) {
        finish(octets.subarray(from, at));
        from = at + 1;
      }
      if (from < octets.length) keep(octets.subarray(from));
    },

    /** The stream is over: what it ends with is a line too. */
    end: (): void => finish(none),
  };
}
