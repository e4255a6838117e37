import { describe, expect, it } from 'vitest';
import { readConnect } from '../../../../src/edge/mqtt-packets/connect.js';
import { createFrames } from '../../../../src/edge/mqtt-packets/frames.js';
import { firstsOfClient } from '../../../../src/edge/mqtt-packets/packet-types.js';
import { createPublish, readPublish } from '../../../../src/edge/mqtt-packets/publish.js';
import { readSubscribe } from '../../../../src/edge/mqtt-packets/subscribe.js';
import { createTopicMemory } from '../../../../src/edge/mqtt/topic-memory.js';
import { octets, packet, properties, short, text } from '../../../support/edge/packets.js';

const times = (count: number, piece: Buffer): Buffer => Buffer.concat(Array.from({ length: count }, () => piece));
const pair = octets(0x26, text('k'), text('v'));
const split = (pieces: Iterable<Buffer>): void => {
  const frames = createFrames({ firsts: firstsOfClient(5), most: 4_000_000 }, { take: () => true, rest: () => {} });
  for (const piece of pieces) frames.push(piece);
};
function* singly(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at++) yield bytes.subarray(at, at + 1);
}

/** What reads octets of anybody, and octets that are many. */
const readers: Record<string, (size: number) => unknown> = {
  'a packet, octet by octet': (size) => split(singly(packet(0x30, Buffer.alloc(size)))),
  'small packets': (size) => split([times(size / 2, octets(0xc0, 0))]),
  'packets across pieces': (size) => split(Array.from({ length: size / 4 }, () => octets(0x30, 2, 0, 0))),
  'user properties of PUBLISH': (size) => {
    const bytes = packet(0x30, text('a'), properties(times(size / pair.length, pair)));
    readPublish(bytes, 0, bytes.indexOf(text('a')), bytes.length, true, createPublish());
  },
  'user properties of CONNECT': (size) => {
    const block = properties(times(size / pair.length, pair));
    const bytes = packet(0x10, text('MQTT'), 5, 2, short(0), block, text('a'));
    readConnect(bytes, 0, bytes.indexOf(text('MQTT')), bytes.length);
  },
  'filters of SUBSCRIBE': (size) => {
    const bytes = packet(0x82, short(1), times(size / 4, octets(text('a'), 0)));
    readSubscribe(bytes, bytes.length - 2 - size, bytes.length, 4);
  },
  'filters of wildcards': (size) => {
    const filter = octets(text(octets(times(30_000, octets('+/')), '#')), 0);
    const filters = times(Math.max(1, size / filter.length), filter);
    const bytes = packet(0x82, short(1), filters);
    readSubscribe(bytes, bytes.length - 2 - filters.length, bytes.length, 4);
  },
  'topics that collide': (size) => {
    const memory = createTopicMemory(() => ({ allowed: true, validUntil: Infinity }));
    for (let at = 0; at < size / 16; at++) {
      const bytes = Buffer.from(`topic/${at}`);
      memory.find(bytes, 0, bytes.length, 0, 0);
    }
    expect(memory.size()).toBeLessThanOrEqual(1024);
  },
};

const patienceMs = 5000;

describe('readers of MQTT', () => {
  it.each(Object.keys(readers))('take a megabyte of %s', (name) => {
    for (let size = 1024; size <= 1_048_576; size *= 2) {
      const before = process.cpuUsage();
      readers[name]!(size);
      const { user, system } = process.cpuUsage(before);
      expect((user + system) / 1000, `${size} octets`).toBeLessThan(patienceMs);
    }
  });
});

describe('a packet that does not end', () => {
  it('takes memory for what came, not for what it announces', () => {
    const frames = createFrames({ firsts: firstsOfClient(5), most: 262_144 }, { take: () => true, rest: () => {} });
    frames.push(octets(0x30, 0x80, 0x80, 0x0f, 'x'));
    expect(frames.kept()).toBeLessThan(300);
    frames.push(Buffer.alloc(100_000));
    expect(frames.kept()).toBeLessThan(210_000);
  });
});
