import { crc32 } from 'node:zlib';

/** Octets that a record has beside its payload. */
export const recordOctets = 24;

/** What is known of a record from its head: `from` and `to` are where it begins and ends in the octets that were read. */
export type Head = { position: number; at: number; from: number; to: number; payloadSum: number };

/** What is to be written as a record. `at` is in milliseconds since 1970. */
export type Entry = { position: number; at: number; payload: Uint8Array };

const sumAt = recordOctets - 4;

/**
 * The octets of records, one after the other. Sums (CRC-32) start at the seed of their segment: whoever sends payloads does not know it,
 * so that a payload which looks like records is never read as such, not even beside damage.
 */
export function encodeRecords(entries: readonly Entry[], seed: number): Buffer {
  const size = entries.reduce((sum, { payload }) => sum + recordOctets + payload.length, 0);
  const bytes = Buffer.allocUnsafe(size);
  let from = 0;
  for (const { position, at, payload } of entries) {
    bytes.writeUInt32BE(payload.length, from);
    bytes.writeUIntBE(position, from + 4, 6);
    bytes.writeUIntBE(at, from + 10, 6);
    bytes.writeUInt32BE(crc32(payload, seed), from + 16);
    bytes.writeUInt32BE(crc32(bytes.subarray(from, from + sumAt), seed), from + sumAt);
    bytes.set(payload, from + recordOctets);
    from += recordOctets + payload.length;
  }
  return bytes;
}

/** The head at a place, if a record between two positions (both included) can begin there. */
export function headAt(bytes: Buffer, from: number, seed: number, least: number, most: number): Head | undefined {
  if (from + recordOctets > bytes.length) return undefined;
  const position = bytes.readUIntBE(from + 4, 6);
  if (position < least || position > most) return undefined;
  if (crc32(bytes.subarray(from, from + sumAt), seed) !== bytes.readUInt32BE(from + sumAt)) return undefined;
  const to = from + recordOctets + bytes.readUInt32BE(from);
  return { position, at: bytes.readUIntBE(from + 10, 6), from, to, payloadSum: bytes.readUInt32BE(from + 16) };
}

/** The payload of a record that is there as a whole; undefined where it is damaged. */
export function payloadOf(bytes: Buffer, { from, to, payloadSum }: Head, seed: number): Buffer | undefined {
  const payload = bytes.subarray(from + recordOctets, to);
  return crc32(payload, seed) === payloadSum ? payload : undefined;
}

/** What a scan found: how many records are damaged, where the last whole one ends, and the position after all of them. */
export type Scan = { damaged: number; end: number; next: number };

/**
 * Reads octets from a place on, and hands over each whole record in order. What is damaged is skipped: as one record where its head
 * is sound, else up to the next sound head. Linear in the octets, whatever they are.
 */
export function scanRecords(
  bytes: Buffer,
  { from, first, seed }: { from: number; first: number; seed: number },
  found: (head: Head) => void,
): Scan {
  let [at, end, next, damaged] = [from, from, first, 0];
  while (at + recordOctets <= bytes.length) {
    // Each record that is missing took the octets of a head at least.
    const head = headAt(bytes, at, seed, next, next + Math.floor((at - end) / recordOctets));
    if (!head) {
      at++;
      continue;
    }
    // A tail that was not written as a whole.
    if (head.to > bytes.length) break;
    damaged += head.position - next;
    next = head.position + 1;
    if (payloadOf(bytes, head, seed)) found(head);
    else damaged++;
    at = end = head.to;
  }
  return { damaged, end, next };
}
