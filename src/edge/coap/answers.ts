import { hash } from 'node:crypto';
import { answerCode } from '../coap-messages/codes.js';
import { blockOption, type Block } from '../coap-messages/blocks.js';
import { formatOf } from '../coap-messages/formats.js';
import { numberOption, optionNumber, type Option } from '../coap-messages/options.js';
import type { Request } from '../coap-messages/requests.js';
import { reason } from '../mqtt-packets/reason-codes.js';
import type { Ended } from './mqtt-reads.js';

/** An answer, or a notification. `sent` is called once it is on its way. */
export type Answer = { code: number; options: Option[]; payload: Buffer; sent?: () => void };

/** The last value of a topic. */
export type Value = { payload: Buffer; mediaType: string | undefined };

const none = Buffer.alloc(0);
const longestText = 200;
/** The largest body that a device sends or reads. */
export const largestBody = 65_536;

/** An answer without a body. */
export const emptyAnswer = (code: number, options: Option[] = []): Answer => ({ code, options, payload: none });

/** An answer with words for whoever reads the log of a device (RFC 7252 §5.5.2). */
export const refusalWith = (code: number, text: string): Answer => ({
  code,
  options: code === answerCode.tooLarge ? [numberOption(optionNumber.size1, largestBody)] : [],
  payload: Buffer.from(text.slice(0, longestText), 'utf8'),
});

const codes: Readonly<Record<number, number>> = {
  [reason.notAuthorized]: answerCode.forbidden,
  [reason.administrative]: answerCode.unauthorized,
  [reason.connectTime]: answerCode.unauthorized,
  [reason.clientIdInvalid]: answerCode.badRequest,
  [reason.topicInvalid]: answerCode.badRequest,
  [reason.filterInvalid]: answerCode.badRequest,
  [reason.tooLarge]: answerCode.tooLarge,
  [reason.rateTooHigh]: answerCode.tooManyRequests,
  [reason.quotaExceeded]: answerCode.tooManyRequests,
};

/** What refuses a request in the words of MQTT, in those of CoAP. */
export function refusalOfEnded({ code, text }: Ended): Answer {
  const translated = codes[code] ?? answerCode.unavailable;
  return refusalWith(translated, text === '' ? words[translated]! : text);
}

const words: Readonly<Record<number, string>> = {
  [answerCode.forbidden]: 'denied by policy',
  [answerCode.unauthorized]: 'this device may not be here any longer',
  [answerCode.badRequest]: 'the topic or the client id is none',
  [answerCode.tooLarge]: 'the body is too large',
  [answerCode.tooManyRequests]: 'send more slowly',
  [answerCode.unavailable]: 'the broker cannot be reached: try again later',
};

/** Why nobody is let in, before anything is asked: what cannot be decided is no fault of the device. */
export function refusalOfBarred({ barred, detail }: { barred: string; detail: string }): Answer {
  const isAway = barred === 'away' || barred === 'refused' || barred === 'cannot-decide';
  const code = isAway ? answerCode.unavailable : answerCode.unauthorized;
  return refusalWith(code, detail === '' ? barred : `${barred}: ${detail}`);
}

/** How much of a body fits into one message, and in which blocks it is sent where it does not. */
export type Room = { whole: number; block: number };

/**
 * A value as an answer, or the block of it that is asked for (RFC 7959 §2.4). `more` are options of an observation. A value is not to be
 * kept by anybody on the way: the next one who asks is judged.
 */
export function contentOf(
  value: Value,
  { accept, block2 }: Pick<Request, 'accept' | 'block2'>,
  room: Room,
  more?: Option[],
): Answer {
  const format = formatOf(value.mediaType);
  if (accept !== undefined && format !== undefined && accept !== format)
    return refusalWith(answerCode.notAcceptable, `the value is ${value.mediaType}`);
  const options = [
    ...(more ?? [numberOption(optionNumber.maxAge, 0)]),
    ...(format === undefined ? [] : [numberOption(optionNumber.contentFormat, format)]),
  ];
  const { payload } = value;
  if (block2 === undefined && payload.length <= room.whole) return { code: answerCode.content, options, payload };
  return blockOf(payload, options, block2, room.block);
}

/** The block that is asked for, or the first. Blocks are never larger than `most`. */
function blockOf(payload: Buffer, options: Option[], asked: Block | undefined, most: number): Answer {
  const wanted = asked ?? { number: 0, size: most };
  const size = Math.min(wanted.size, most);
  // Whoever asks for a larger block than there is gets the one that begins at the same place.
  const from = wanted.number * wanted.size;
  if (from > 0 && from >= payload.length) return refusalWith(answerCode.badRequest, 'there is no such block');
  const block: Block = { number: from / size, more: from + size < payload.length, size };
  return {
    code: answerCode.content,
    options: [...options, blockOption(optionNumber.block2, block), ...tagsOf(payload)],
    payload: payload.subarray(from, from + size),
  };
}

/** What tells the blocks of one value from those of the next. */
function tagsOf(payload: Buffer): Option[] {
  const etag = Buffer.from(hash('sha256', payload, 'hex').slice(0, 16), 'hex');
  return [{ number: optionNumber.etag, value: etag }, numberOption(optionNumber.size2, payload.length)];
}
