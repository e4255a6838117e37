import { answerCode, classOf } from '../coap-messages/codes.js';
import { numberOption, optionNumber, type Option } from '../coap-messages/options.js';
import { contentOf, emptyAnswer, type Answer, type Room, type Value } from './answers.js';

/** How notifications reach a device. */
export type Channel = {
  /** Tells requests of one device apart: the token of the message. */
  key: string;
  /** Sends a notification. `done` says whether the device still wants more; it is called once, perhaps at once. */
  notify(answer: Answer, done: (isWanted: boolean) => void): void;
  room(): Room;
};

/** Somebody who hears of each new value of a topic. */
export type Observation = ReturnType<typeof createObservation>;

type Parts = {
  topic: string;
  channel: Channel;
  accept: number | undefined;
  /** The number of the last notification of the observation that this one takes the place of. */
  after: number;
  /** The device wants no more. */
  ended(): void;
};

type Waiting = { value: Value; isKept: boolean; settle(): void };

const sequenceLimit = 1 << 24;
const success = 2;

/**
 * One observation (RFC 7641). One notification is under way at a time. What was published with QoS 1 waits in its order, and the broker
 * sends no more than a few of these; of other values, only the newest waits.
 */
export function createObservation({ topic, channel, accept, after, ended }: Parts) {
  let sequence = after;
  let waiting: Waiting[] = [];
  let last: Value | undefined;
  let isBusy = true;
  let isOver = false;

  const observeOption = (): Option => {
    sequence = (sequence + 1) % sequenceLimit;
    return numberOption(optionNumber.observe, sequence);
  };

  const answerOf = (value: Value | undefined): Answer => {
    const more = [observeOption()];
    // Nothing is retained there: the device hears of the first value that comes.
    if (!value) return emptyAnswer(answerCode.content, more);
    last = value;
    return contentOf(value, { accept, block2: undefined }, channel.room(), more);
  };

  const next = (): void => {
    isBusy = false;
    const first = isOver ? undefined : waiting.shift();
    if (!first) return;
    isBusy = true;
    let isDone = false;
    const answer = answerOf(first.value);
    // An error ends the observation (RFC 7641 §4.2).
    const isError = classOf(answer.code) !== success;
    channel.notify(answer, (isWanted) => {
      if (isDone) return;
      isDone = true;
      first.settle();
      if (isWanted && !isError) next();
      else ended();
    });
  };

  return {
    topic,
    key: channel.key,

    /** The answer to the request that began it. Notifications follow once it was sent. */
    begin: (value: Value | undefined): Answer => ({ ...answerOf(value), sent: next }),

    /** A new value. `settle` is called once the device has it, or will not get it. */
    push(value: Value, isKept: boolean, settle: () => void): void {
      if (isOver) return settle();
      const newest = waiting.at(-1);
      if (newest && !newest.isKept && !isKept) waiting.pop();
      waiting.push({ value, isKept, settle });
      if (!isBusy) next();
    },

    /** The number of the last notification. */
    sequence: (): number => sequence,

    /** The value that the device was told last. */
    last: (): Value | undefined => last,

    /** Ends it. With an answer, the device is told why. */
    end(why: Answer | undefined): void {
      if (isOver) return;
      isOver = true;
      const left = waiting;
      waiting = [];
      for (const { settle } of left) settle();
      if (why) channel.notify(why, () => {});
    },
  };
}
