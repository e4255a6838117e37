import { DomainError } from '../../errors.js';
import { mostOfUpload } from '../../limits.js';

/** A line of an upload, counted from 1; without a text, why it cannot be read. */
export type Line = { number: number; text: string; unreadable?: never } | { number: number; unreadable: string };

const newline = 0x0a;
const { octets: mostOctets, octetsOfLine } = mostOfUpload;

/**
 * The lines of an upload, those of one chunk at a time: memory holds one chunk and one line, whatever comes. Empty lines are
 * counted and left out. @throws DomainError `payload-too-large`
 */
export async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Line[]> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let [number, octets] = [0, 0];
  // What of a line has come so far, and whether it is too long already.
  let begun: Buffer[] = [];
  let length = 0;

  const add = (part: Buffer): void => {
    length += part.length;
    // A copy: the chunk need not stay for the sake of its last line.
    if (length <= octetsOfLine) begun.push(Buffer.from(part));
    else begun = [];
  };

  const finish = (): Line | undefined => {
    number++;
    const isTooLong = length > octetsOfLine;
    const bytes = Buffer.concat(begun);
    [begun, length] = [[], 0];
    if (isTooLong) return { number, unreadable: `the line has more than ${octetsOfLine} octets` };
    try {
      const text = decoder.decode(bytes).trim();
      return text === '' ? undefined : { number, text };
    } catch {
      return { number, unreadable: 'the line is not UTF-8' };
    }
  };

  for await (const chunk of chunks) {
    octets += chunk.length;
    if (octets > mostOctets)
      throw new DomainError(
        'payload-too-large',
        `an upload has at most ${mostOctets} octets: send the rest in another`,
      );
    const lines: Line[] = [];
    let from = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, from)) {
      add(chunk.subarray(from, end));
      from = end + 1;
      const line = finish();
      if (line) lines.push(line);
    }
    add(chunk.subarray(from));
    if (lines.length > 0) yield lines;
  }
  const last = length > 0 ? finish() : undefined;
  if (last) yield [last];
}
