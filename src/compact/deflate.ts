import { constants, deflateRaw } from 'node:zlib';
import { pieceOctets, type Bitmap } from './bits.js';

/** Compresses octets as DEFLATE blocks (RFC 1951) that end with an octet, and none of which is the last. */
export type Compress = (bytes: Uint8Array) => Promise<Buffer>;

const compressed: Compress = (bytes) =>
  new Promise((resolve, reject) =>
    deflateRaw(bytes, { level: 9, finishFlush: constants.Z_FULL_FLUSH }, (error, packed) =>
      error ? reject(error) : resolve(packed),
    ),
  );

const zlibHeader = Buffer.from([0x78, 0xda]);
const emptyLastBlock = Buffer.from([0x03, 0x00]);
const adlerBase = 65_521;
// So many octets can be added up before a sum has to be reduced.
const adlerRun = 3800;

/**
 * The octets of a bitmap in the ZLIB format (RFC 1950), as Token Status Lists have them. Each piece is compressed alone,
 * and all pieces without a member are compressed once.
 */
export async function deflateBitmap({ size, pieces }: Bitmap, compress: Compress = compressed): Promise<Buffer> {
  const octets = Math.ceil(size / 8);
  const parts: Buffer[] = [zlibHeader];
  const sum = createAdler();
  let zeros: Buffer | undefined;
  for (let at = 0; at < octets; at += pieceOctets) {
    const length = Math.min(pieceOctets, octets - at);
    const piece = pieces.get(at / pieceOctets);
    if (piece) {
      sum.add(piece);
      parts.push(await compress(piece));
      continue;
    }
    sum.addZeros(length);
    if (length < pieceOctets) parts.push(await compress(new Uint8Array(length)));
    else parts.push((zeros ??= await compress(new Uint8Array(pieceOctets))));
  }
  const trailer = Buffer.alloc(4);
  trailer.writeUInt32BE(sum.value());
  return Buffer.concat([...parts, emptyLastBlock, trailer]);
}

/** Adler-32 (RFC 1950 §8.2); zeros change the second sum alone, at once however many they are. */
function createAdler() {
  let [a, b] = [1, 0];
  return {
    add(bytes: Uint8Array): void {
      for (let start = 0; start < bytes.length; start += adlerRun) {
        const end = Math.min(start + adlerRun, bytes.length);
        for (let at = start; at < end; at++) {
          a += bytes[at]!;
          b += a;
        }
        a %= adlerBase;
        b %= adlerBase;
      }
    },
    addZeros(count: number): void {
      b = (b + a * count) % adlerBase;
    },
    value: (): number => b * 65_536 + a,
  };
}
