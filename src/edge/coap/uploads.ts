import { answerCode } from '../coap-messages/codes.js';
import { blockOption, type Block } from '../coap-messages/blocks.js';
import { optionNumber } from '../coap-messages/options.js';
import { emptyAnswer, largestBody, refusalWith, type Answer } from './answers.js';

type Upload = { parts: Buffer[]; octets: number; at: number };

const mostUploads = 4;
const keptMs = 60_000;

/** Puts bodies together that come in blocks (RFC 7959 §2.5). `now` is in milliseconds, and never goes back. */
export function createUploads(now: () => number) {
  const uploads = new Map<string, Upload>();

  const find = (key: string, isFirst: boolean): Upload | undefined => {
    for (const [each, { at }] of uploads) if (now() - at > keptMs) uploads.delete(each);
    if (isFirst) {
      uploads.delete(key);
      // The oldest one has to begin again.
      if (uploads.size >= mostUploads) uploads.delete(uploads.keys().next().value!);
      uploads.set(key, { parts: [], octets: 0, at: now() });
    }
    return uploads.get(key);
  };

  return {
    /** The whole body after its last block; before that, the answer to the block. `key` says what it is a body of. */
    take(key: string, block: Block, payload: Buffer): Buffer | Answer {
      const { number, more, size } = block;
      if (payload.length > size || (more && payload.length < size))
        return refusalWith(answerCode.badRequest, 'a block has another size than it says');
      const upload = find(key, number === 0);
      if (!upload || upload.octets !== number * size) {
        uploads.delete(key);
        return refusalWith(answerCode.incomplete, 'a block is missing: begin again');
      }
      upload.parts.push(Buffer.from(payload));
      upload.octets += payload.length;
      upload.at = now();
      if (upload.octets > largestBody) {
        uploads.delete(key);
        return refusalWith(answerCode.tooLarge, `a body has at most ${largestBody} octets`);
      }
      if (more) return emptyAnswer(answerCode.continue, [blockOption(optionNumber.block1, block)]);
      uploads.delete(key);
      return Buffer.concat(upload.parts);
    },
  };
}
