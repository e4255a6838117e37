/** A set of packet identifiers, 1 to 65,535: eight kilobytes once it has one. */
export function createPacketIds() {
  let bits: Uint32Array | undefined;
  return {
    add(id: number): void {
      bits ??= new Uint32Array(2048);
      bits[id >> 5]! |= 1 << (id & 31);
    },
    /** True when the set had it. */
    delete(id: number): boolean {
      if (bits === undefined || (bits[id >> 5]! & (1 << (id & 31))) === 0) return false;
      bits[id >> 5]! &= ~(1 << (id & 31));
      return true;
    },
    has: (id: number): boolean => bits !== undefined && (bits[id >> 5]! & (1 << (id & 31))) !== 0,
  };
}
