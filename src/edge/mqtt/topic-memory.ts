import { MqttFault, reason } from '../mqtt-packets/reason-codes.js';
import { isTopicName } from '../mqtt-packets/topics.js';
import { isText } from '../mqtt-packets/utf8.js';

/** What was decided about a topic with its QoS and RETAIN. */
export type Judged = {
  allowed: boolean;
  /** Milliseconds since 1970 by the gate's clock, exclusive. */
  validUntil: number;
};

type Remembered<Result> = { topic: Uint8Array; hash: number; flags: number; judged: Result };

const firstSlots = 16;
const mostSlots = 1024;
const ways = 4;
// Longer topics are judged each time.
const longestRemembered = 256;

/**
 * Remembers decisions by the octets of a topic, its QoS and RETAIN, for as long as each is valid. A topic that is remembered costs one look
 * at its octets, and no memory. At most a quarter of a megabyte of topics is kept: a newer one replaces an older one.
 */
export function createTopicMemory<Result extends Judged>(judge: (topic: string, flags: number) => Result) {
  let slots: (Remembered<Result> | undefined)[] = [];

  /** Each topic has four places. It takes a free one, or that of the oldest topic there once there may be no more places. */
  const put = (entry: Remembered<Result>): void => {
    const first = placeOf(entry.hash);
    let place = first;
    while (place < first + ways && slots[place] !== undefined && !isAlike(slots[place]!, entry)) place++;
    if (place === first + ways && slots.length < mostSlots) return grow(entry);
    for (let at = Math.min(place, first + ways - 1); at > first; at--) slots[at] = slots[at - 1];
    slots[first] = entry;
  };

  const placeOf = (hash: number): number => (hash & (slots.length / ways - 1)) * ways;

  const grow = (entry: Remembered<Result>): void => {
    const before = slots;
    slots = new Array<undefined>(Math.max(firstSlots, 2 * before.length)).fill(undefined);
    for (const known of before) if (known) put(known);
    put(entry);
  };

  const remember = (bytes: Buffer, start: number, end: number, hash: number, flags: number, judged: Result): void => {
    if (end - start > longestRemembered) return;
    const topic = new Uint8Array(end - start);
    topic.set(bytes.subarray(start, end));
    const entry = { topic, hash, flags, judged };
    if (slots.length === 0) grow(entry);
    else put(entry);
  };

  const isKnown = (known: Remembered<Result> | undefined, hash: number, flags: number, now: number): boolean =>
    known !== undefined && known.hash === hash && known.flags === flags && known.judged.validUntil > now;

  return {
    /**
     * The decision about a topic, from memory where it is still valid at `now`.
     * @throws MqttFault when the octets are no topic
     */
    find(bytes: Buffer, start: number, end: number, flags: number, now: number): Result {
      const hash = hashOf(bytes, start, end, flags);
      if (slots.length > 0) {
        const first = placeOf(hash);
        for (let place = first; place < first + ways; place++) {
          const known = slots[place];
          if (isKnown(known, hash, flags, now) && isSame(known!.topic, bytes, start, end)) return known!.judged;
        }
      }
      if (!isTopicName(bytes, start, end)) throw faultOf(bytes, start, end);
      const judged = judge(bytes.toString('utf8', start, end), flags);
      remember(bytes, start, end, hash, flags, judged);
      return judged;
    },

    /** Forgets everything: something changed. */
    clear(): void {
      if (slots.length > 0) slots = [];
    },

    size: (): number => slots.reduce((count, entry) => count + (entry ? 1 : 0), 0),
  };
}

function faultOf(bytes: Buffer, start: number, end: number): MqttFault {
  if (isText(bytes, start, end)) return new MqttFault(reason.topicInvalid, 'a topic is empty, or has a wildcard');
  return new MqttFault(reason.malformed, 'a topic is not UTF-8, or has U+0000');
}

/** The same topic with the same flags, or one that is taken for it: what was decided before is out of date. */
const isAlike = (one: Remembered<unknown>, other: Remembered<unknown>): boolean =>
  one.hash === other.hash && one.flags === other.flags;

/** FNV-1a. Who makes topics collide makes only the own memory forget. */
function hashOf(bytes: Buffer, start: number, end: number, flags: number): number {
  let hash = 0x811c9dc5 ^ flags;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193);
  return hash ^ (hash >>> 15);
}

function isSame(topic: Uint8Array, bytes: Buffer, start: number, end: number): boolean {
  if (topic.length !== end - start) return false;
  for (let at = 0; at < topic.length; at++) if (topic[at] !== bytes[start + at]) return false;
  return true;
}
