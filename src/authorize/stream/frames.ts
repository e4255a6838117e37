const finalText = 0x81;
const short = 125;
const longest = 0xffff;

/** Texts as frames of a server, one for each, in one piece (RFC 6455 §5.2). */
export function textFrames(texts: readonly string[]): Buffer {
  const lengths = texts.map((text) => Buffer.byteLength(text));
  const frames = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + headOf(length) + length, 0));
  let at = 0;
  texts.forEach((text, index) => {
    const length = lengths[index]!;
    at = writeHead(frames, at, length);
    at += frames.write(text, at, length, 'utf8');
  });
  return frames;
}

function headOf(length: number): number {
  if (length <= short) return 2;
  return length <= longest ? 4 : 10;
}

function writeHead(frames: Buffer, at: number, length: number): number {
  frames[at] = finalText;
  if (length <= short) {
    frames[at + 1] = length;
    return at + 2;
  }
  frames[at + 1] = length <= longest ? 126 : 127;
  if (length <= longest) return frames.writeUInt16BE(length, at + 2);
  return frames.writeBigUInt64BE(BigInt(length), at + 2);
}
