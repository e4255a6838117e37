import type { Random } from '../policy-cases.js';
import {
  connect,
  octets,
  packet,
  properties,
  publish,
  short,
  subscribe,
  text,
  unsubscribe,
  type ConnectFields,
} from './packets.js';

/** What a client sends, packet by packet. */
export type Stream = { version: 3 | 4 | 5; packets: Buffer[] };

/** Topics that the device of these tests may use, and others: two rules of two lines, apart from the engine. */
export const isOwn = (topic: string): boolean => topic === 'acme/pump' || topic.startsWith('acme/pump/');
export const isOwnFilter = (filter: string): boolean => isOwn(filter.replace(/^\$share\/[^/]+\//, ''));

const own = [
  'acme/pump',
  'acme/pump/t',
  'acme/pump/é/漢',
  'acme/pump//',
  'acme/pump/$x',
  `acme/pump/${'y'.repeat(300)}`,
];
const others = ['acme/valve/t', '/acme/pump', 'acme', 'x', '$SYS/x', 'acme/pumpe'];
const filters = ['acme/pump/#', 'acme/pump/+/a', '$share/g/acme/pump/t', 'acme/+/t', '#', '$share/g/#', 'acme/valve/#'];

const topicOf = (random: Random): string => random.pick(random.chance(0.7) ? own : others);

function messageProperties(random: Random, canAlias: boolean): Buffer {
  return properties(
    random.chance(0.2) ? [0x01, random.below(2)] : [],
    random.chance(0.2) ? octets(0x02, 0, 0, 1, 2) : [],
    random.chance(0.2) ? octets(0x03, text('text/plain')) : [],
    random.chance(0.2) ? octets(0x08, text(topicOf(random))) : [],
    random.chance(0.2) ? octets(0x09, text('c')) : [],
    random.chance(0.2) ? octets(0x26, text('k'), text('v')) : [],
    canAlias && random.chance(0.3) ? octets(0x23, short(1 + random.below(3))) : [],
  );
}

function publishOf(random: Random, version: number): Buffer {
  const qos = random.below(3);
  return publish(version === 5 && random.chance(0.15) ? '' : topicOf(random), {
    qos,
    id: 1 + random.below(5),
    retain: random.chance(0.2),
    duplicate: qos > 0 && random.chance(0.1),
    payload: Buffer.alloc(random.below(random.chance(0.05) ? 3000 : 20), random.below(256)),
    ...(version === 5 ? { properties: random.chance(0.5) ? properties() : messageProperties(random, true) } : {}),
  });
}

function subscribeOf(random: Random, version: number): Buffer {
  const asked = Array.from({ length: 1 + random.below(3) }, () => [random.pick(filters), random.below(3)] as const);
  const block = version === 5 ? properties(random.chance(0.3) ? [0x0b, 1 + random.below(100)] : []) : undefined;
  return subscribe(10 + random.below(1000), asked, block);
}

function acknowledgementOf(random: Random, version: number): Buffer {
  const first = random.pick([0x40, 0x50, 0x62, 0x70]);
  return packet(first, short(1 + random.below(5)), version === 5 && random.chance(0.3) ? [0x00, 0x00] : []);
}

function packetOf(random: Random, version: number): Buffer {
  const kind = random.below(10);
  if (kind < 5) return publishOf(random, version);
  if (kind < 6) return subscribeOf(random, version);
  if (kind < 7)
    return unsubscribe(2000 + random.below(1000), [random.pick(filters)], version === 5 ? properties() : undefined);
  if (kind < 9) return acknowledgementOf(random, version);
  return packet(0xc0);
}

function connectOf(random: Random, version: 3 | 4 | 5): Buffer {
  const fields: ConnectFields = { version, clean: random.chance(0.7) };
  if (random.chance(0.3)) {
    fields.will = { topic: random.pick(own), qos: random.below(3), retain: random.chance(0.5) };
    if (version === 5) fields.will.properties = messageProperties(random, false);
  }
  if (version === 5) fields.properties = properties(random.chance(0.5) ? octets(0x21, short(9), 0x22, short(2)) : []);
  return connect(fields);
}

/** A valid stream of some packets, CONNECT first. */
export function streamOf(random: Random): Stream {
  const version = random.pick([3, 4, 4, 5, 5, 5] as const);
  const count = random.below(8);
  const packets = Array.from({ length: count }, () => packetOf(random, version));
  const last = random.chance(0.2) ? [packet(0xe0)] : [];
  return { version, packets: [connectOf(random, version), ...packets, ...last] };
}

/** What a broker sends: CONNACK is not part of it. */
export function deliveriesOf(random: Random, version: 3 | 4 | 5): Buffer[] {
  return Array.from({ length: 1 + random.below(6) }, () => {
    const qos = random.below(3);
    if (random.chance(0.2)) return packet(random.pick([0x40, 0x50, 0x62, 0x70]), short(1 + random.below(5)));
    return publish(topicOf(random), {
      qos,
      id: 1 + random.below(5),
      retain: random.chance(0.2),
      payload: Buffer.alloc(random.below(random.chance(0.03) ? 100_000 : 30), 7),
      ...(version === 5 ? { properties: messageProperties(random, false) } : {}),
    });
  });
}

const telling = [0x00, 0x01, 0x02, 0x2b, 0x23, 0x2f, 0x7f, 0x80, 0xc0, 0xaf, 0xed, 0xa0, 0xf4, 0xff, 0x30, 0x82, 0xe0];

/** The octets with some of them changed, lost, repeated or added. */
export function mutate(random: Random, bytes: Buffer, from: number): Buffer {
  let mutated: Buffer = Buffer.from(bytes);
  const times = 1 + random.below(3);
  for (let time = 0; time < times && mutated.length > from; time++) {
    const at = random.between(from, mutated.length);
    const to = Math.min(mutated.length, at + 1 + random.below(4));
    const kind = random.below(6);
    if (kind === 0) mutated[at] = mutated[at]! ^ (1 << random.below(8));
    else if (kind === 1) mutated[at] = random.pick(telling);
    else if (kind === 2) mutated[at] = (mutated[at]! + random.pick([1, 255])) & 255;
    else if (kind === 3) mutated = octets(mutated.subarray(0, at), mutated.subarray(to));
    else if (kind === 4) mutated = octets(mutated.subarray(0, at), random.pick(telling), mutated.subarray(at));
    else mutated = octets(mutated.subarray(0, to), mutated.subarray(at));
  }
  return mutated;
}

/** The octets cut into pieces. */
export function cut(random: Random, bytes: Buffer): Buffer[] {
  if (bytes.length < 5000 && random.chance(0.1)) return Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const to = at + 1 + random.below(random.chance(0.5) ? 4 : bytes.length);
    pieces.push(bytes.subarray(at, to));
    at = to;
  }
  return pieces;
}
