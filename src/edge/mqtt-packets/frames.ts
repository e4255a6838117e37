import { widthOf } from './fields.js';
import { packetType, type FirstOctets } from './packet-types.js';
import { MqttFault, reason } from './reason-codes.js';

/** What becomes of the packets of one direction. The octets that it is given can be kept: nobody writes to them again. */
export type FrameTaker = {
  /** Takes a whole packet, `bytes` from `start` to `end` with its body from `body` on. False stops before the next one, until `resume`. */
  take(bytes: Buffer, start: number, body: number, end: number): boolean;
  /** No more whole packets are at hand. */
  rest(): void;
  /** Takes the beginning of a PUBLISH that is not kept as a whole: at least its topic and packet identifier. True when it is passed on. */
  begin?(bytes: Buffer, body: number, total: number): boolean;
  /** What follows such a beginning, if it is passed on; `isLast` with its last octets. */
  follow?(bytes: Buffer, isLast: boolean): void;
};

/** Which packets may come, and how large. */
export type FrameOptions = {
  firsts: FirstOctets;
  /** Most octets of a packet; with `whole`, of one that is kept as a whole. */
  most: number;
  /** A PUBLISH above this is not kept as a whole: it is passed on, or dropped, as it comes. */
  whole?: number;
};

export type Frames = ReturnType<typeof createFrames>;

const firstOctets = 256;
const none = Buffer.alloc(0);

/**
 * Splits a stream into packets, in place. At most one packet is kept that is not complete, in memory that grows with what came
 * and not with what was announced. `push` and `resume` throw MqttFault where the stream is no MQTT: the same fault
 * for the same octets, in whatever pieces they come.
 */
export function createFrames({ firsts, most, whole }: FrameOptions, taker: FrameTaker) {
  let accepted = firsts;
  let largest = most;
  // MQTT 5 allows no other form of a length.
  let isShortest = false;
  let partial = none;
  let filled = 0;
  // What is to come of a packet that is not kept.
  let following = 0;
  let isPassed = false;
  let isStopped = false;
  let isRunning = false;
  let waiting: Buffer[] = [];

  const isLarge = (first: number, total: number): boolean =>
    whole !== undefined && total > whole && (first & 0xf0) === packetType.publish;

  /** Where the body of the packet at `at` begins; 0 while that is not known. */
  const bodyAt = (bytes: Buffer, at: number, end: number): number => {
    if (accepted[bytes[at]!] === 0) throw new MqttFault(...faultOfFirst(bytes[at]!));
    for (let width = 1; width <= 4; width++) {
      if (at + width >= end) return 0;
      const octet = bytes[at + width]!;
      if (octet >= 0x80) continue;
      if (octet === 0 && width > 1 && isShortest)
        throw new MqttFault(reason.malformed, 'the length of a packet has more octets than it needs');
      return at + width + 1;
    }
    throw new MqttFault(reason.malformed, 'the length of a packet has more than four octets');
  };

  /** The octets of the packet at `at`, its header included. */
  const totalAt = (bytes: Buffer, at: number, body: number): number => {
    let length = 0;
    for (let next = body - 1; next > at; next--) length = (length << 7) | (bytes[next]! & 0x7f);
    const total = body - at + length;
    if (total > largest && !isLarge(bytes[at]!, total))
      throw new MqttFault(reason.tooLarge, `a packet has ${total} octets, more than ${largest}`);
    return total;
  };

  /** How many octets of the packet at `at` are wanted before it can be taken, or begun. */
  const wantedAt = (bytes: Buffer, at: number, body: number, have: number, total: number): number => {
    if (!isLarge(bytes[at]!, total)) return total;
    const header = body - at;
    if (have < header + 2) return header + 2;
    return Math.min(total, header + 4 + ((bytes[body]! << 8) | bytes[body + 1]!));
  };

  const keep = (bytes: Buffer, from: number, to: number): void => {
    const size = filled + to - from;
    if (size > partial.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(firstOctets, size, 2 * partial.length));
      partial.copy(larger, 0, 0, filled);
      partial = larger;
    }
    bytes.copy(partial, filled, from, to);
    filled = size;
  };

  const begin = (bytes: Buffer, body: number, total: number): void => {
    following = total - bytes.length;
    isPassed = taker.begin!(bytes, body, total);
  };

  /** Adds to the packet that is kept until it can be taken. Returns the place after what it took. */
  const complete = (bytes: Buffer, at: number): number => {
    for (let next = at; ;) {
      const body = bodyAt(partial, 0, filled);
      const total = body === 0 ? 0 : totalAt(partial, 0, body);
      const wanted = body === 0 ? filled + 1 : wantedAt(partial, 0, body, filled, total);
      if (body > 0 && filled === wanted) {
        const packet = partial.subarray(0, filled);
        partial = none;
        filled = 0;
        if (packet.length < total) begin(packet, body, total);
        else isStopped = !taker.take(packet, 0, body, total);
        return next;
      }
      if (next === bytes.length) return next;
      const to = Math.min(bytes.length, next + wanted - filled);
      keep(bytes, next, to);
      next = to;
    }
  };

  const follow = (bytes: Buffer, at: number): number => {
    const to = Math.min(bytes.length, at + following);
    following -= to - at;
    if (isPassed) taker.follow!(bytes.subarray(at, to), following === 0);
    return to;
  };

  /** The end of the octets, where a packet begins that is not complete. */
  const tail = (bytes: Buffer, at: number, body: number): number => {
    const have = bytes.length - at;
    const total = body === 0 ? 0 : totalAt(bytes, at, body);
    if (body > 0 && isLarge(bytes[at]!, total) && have >= wantedAt(bytes, at, body, have, total))
      begin(bytes.subarray(at), body - at, total);
    else keep(bytes, at, bytes.length);
    return bytes.length;
  };

  /** Takes packets where they lie. Returns the place after the last one. */
  const split = (bytes: Buffer, from: number): number => {
    const { length } = bytes;
    let at = from;
    while (at < length) {
      const body = bodyAt(bytes, at, length);
      if (body === 0) return tail(bytes, at, 0);
      const end = at + totalAt(bytes, at, body);
      if (end > length) return tail(bytes, at, body);
      if (!taker.take(bytes, at, body, end)) {
        isStopped = true;
        return end;
      }
      at = end;
    }
    return at;
  };

  const step = (bytes: Buffer, at: number): number => {
    if (following > 0) return follow(bytes, at);
    return filled > 0 ? complete(bytes, at) : split(bytes, at);
  };

  const run = (bytes: Buffer): void => {
    let at = 0;
    isRunning = true;
    try {
      while (at < bytes.length && !isStopped) at = step(bytes, at);
    } finally {
      isRunning = false;
      taker.rest();
    }
    if (at < bytes.length) waiting.unshift(bytes.subarray(at));
  };

  return {
    /** Takes the next octets of the stream. While stopped, they wait. */
    push(bytes: Buffer): void {
      if (isStopped) waiting.push(bytes);
      else run(bytes);
    },

    /** Continues after a stop. */
    resume(): void {
      isStopped = false;
      while (!isRunning && !isStopped && waiting.length > 0) run(waiting.shift()!);
    },

    /** Stops before the next packet, until `resume`. */
    stop(): void {
      isStopped = true;
    },

    /** From now on these octets begin packets of at most so many octets; with `shortest`, lengths in their shortest form only. */
    expect(next: FirstOctets, octets: number, shortest: boolean): void {
      accepted = next;
      largest = octets;
      isShortest = shortest;
    },

    /** Forgets everything, so that nothing comes any longer. */
    clear(): void {
      isStopped = true;
      waiting = [];
      partial = none;
      filled = 0;
    },

    /** True in the middle of a packet that is passed on as it comes. */
    isAmid: (): boolean => following > 0 && isPassed,

    /** True when octets wait for `resume`. */
    hasWaiting: (): boolean => waiting.length > 0,

    /** Octets that are kept. */
    kept: (): number => partial.length + waiting.reduce((sum, { length }) => sum + length, 0),
  };
}

function faultOfFirst(octet: number): [number, string] {
  const type = octet & 0xf0;
  const flags = octet & 0x0f;
  // A type that may come, with flags that it may not have, is malformed (MQTT-2.1.3-1). So is type 0, and QoS 3 and DUP without QoS.
  if (type === 0 || type === packetType.publish)
    return [reason.malformed, 'a packet has flags or a type that there are not'];
  return [
    flags === flagsOf(type) ? reason.protocolError : reason.malformed,
    'a packet may not come here, or has wrong flags',
  ];
}

const flagsOf = (type: number): number =>
  type === packetType.pubrel || type === packetType.subscribe || type === packetType.unsubscribe ? 2 : 0;

/** The header of a packet whose body has `length` octets. */
export function headerOf(first: number, length: number): Buffer {
  const header = Buffer.allocUnsafe(1 + widthOf(length));
  header[0] = first;
  for (let at = 1, rest = length; at < header.length; at++, rest >>>= 7)
    header[at] = (rest & 0x7f) | (rest > 0x7f ? 0x80 : 0);
  return header;
}

/** The length of the body that a packet names. */
export function bodyLengthOf(packet: Uint8Array): number {
  let length = 0;
  for (let at = 1, shift = 0; ; at++, shift += 7) {
    length |= (packet[at]! & 0x7f) << shift;
    if (packet[at]! < 0x80) return length;
  }
}
