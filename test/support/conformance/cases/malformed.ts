import {
  both,
  caseOf,
  ended,
  join,
  octets,
  own,
  packet,
  properties,
  property,
  publishOf,
  quiet,
  see,
  send,
  short,
  subscribed,
  subscribeOf,
  text,
  unsubscribeOf,
  type Case,
  type Step,
} from '../steps.js';

const topic = `${own}/a`;

/** Octets that end a connection, and of which nobody hears. */
const wrong = (version: 4 | 5, ...bytes: Buffer[]): Step[] => [
  ...join('b', version),
  ...subscribed('b', version, [[`${own}/#`, 0]]),
  ...join('a', version),
  send('a', ...bytes),
  ended('a'),
  quiet('b'),
];

/** The same packet with other flags in its first octet. */
const flagged = (bytes: Buffer, flags: number): Buffer => octets((bytes[0]! & 0xf0) | flags, bytes.subarray(1));

const none = (version: 4 | 5): Buffer => (version === 5 ? properties() : Buffer.alloc(0));

/** The packets whose flags are fixed, each with flags that it may not have. */
const flags: readonly (readonly [string, string, string, number, (version: 4 | 5) => Buffer])[] = [
  ['MQTT-3.6.1-1', 'MQTT-3.6.1-1', 'PUBREL', 0, () => packet(0x62, short(1))],
  ['MQTT-3.6.1-1', 'MQTT-3.6.1-1', 'PUBREL', 3, () => packet(0x62, short(1))],
  ['MQTT-3.8.1-1', 'MQTT-3.8.1-1', 'SUBSCRIBE', 0, (version) => subscribeOf(version, 1, [[topic, 0]])],
  ['MQTT-3.8.1-1', 'MQTT-3.8.1-1', 'SUBSCRIBE', 0x0a, (version) => subscribeOf(version, 1, [[topic, 0]])],
  ['MQTT-3.10.1-1', 'MQTT-3.10.1-1', 'UNSUBSCRIBE', 0, (version) => unsubscribeOf(version, 1, [topic])],
  ['MQTT-3.10.1-1', 'MQTT-3.10.1-1', 'UNSUBSCRIBE', 6, (version) => unsubscribeOf(version, 1, [topic])],
  ['MQTT-2.2.2-1', 'MQTT-2.1.3-1', 'PINGREQ', 1, () => packet(0xc0)],
  ['MQTT-3.14.1-1', 'MQTT-3.14.1-1', 'DISCONNECT', 1, () => packet(0xe0)],
  ['MQTT-2.2.2-2', 'MQTT-2.1.3-1', 'PUBACK', 2, () => packet(0x40, short(1))],
  ['MQTT-2.2.2-2', 'MQTT-2.1.3-1', 'PUBREC', 2, () => packet(0x50, short(1))],
  ['MQTT-2.2.2-2', 'MQTT-2.1.3-1', 'PUBCOMP', 2, () => packet(0x70, short(1))],
];

/** Packets that only a server sends. */
const ofServers: readonly (readonly [string, Buffer])[] = [
  ['CONNACK', packet(0x20, 0, 0)],
  ['SUBACK', packet(0x90, short(1), 0)],
  ['UNSUBACK', packet(0xb0, short(1))],
  ['PINGRESP', packet(0xd0)],
];

const topics: readonly (readonly [string, string, string, string | Buffer])[] = [
  ['MQTT-3.3.2-2 MQTT-4.7.1-1', 'MQTT-3.3.2-2 MQTT-4.7.0-1', 'a topic with #', `${own}/#`],
  ['MQTT-3.3.2-2', 'MQTT-3.3.2-2', 'a topic with +', `${own}/+/a`],
  ['MQTT-3.3.2-1', 'MQTT-3.3.2-1', 'a topic that is no UTF-8', Buffer.of(0x61, 0xff)],
  ['MQTT-1.5.3-1', 'MQTT-1.5.4-1', 'a topic with a surrogate', Buffer.of(0xed, 0xbf, 0xbf)],
  ['MQTT-1.5.3-1', 'MQTT-1.5.4-1', 'a topic in an overlong form', Buffer.of(0xe0, 0x80, 0xaf)],
  ['MQTT-1.5.3-1', 'MQTT-1.5.4-1', 'a topic beyond U+10FFFF', Buffer.of(0xf4, 0x90, 0x80, 0x80)],
  ['MQTT-1.5.3-2 MQTT-4.7.3-2', 'MQTT-1.5.4-2 MQTT-4.7.3-2', 'a topic with U+0000', `${own}/\0`],
];

const tails: readonly (readonly [string, (version: 4 | 5) => Buffer])[] = [
  ['PUBACK without an identifier', () => packet(0x40)],
  ['PUBACK of one octet', () => packet(0x40, 1)],
  ['PUBREC of one octet', () => packet(0x50, 1)],
  ['PUBREL of one octet', () => packet(0x62, 1)],
  ['PUBCOMP of one octet', () => packet(0x70, 1)],
  ['PUBACK with identifier 0', () => packet(0x40, short(0))],
  ['PUBREL with identifier 0', () => packet(0x62, short(0))],
  ['SUBSCRIBE of two octets', () => packet(0x82, short(1))],
  ['SUBSCRIBE whose filter ends outside', (version) => packet(0x82, short(1), none(version), 0, 200, topic, 0)],
  ['SUBSCRIBE without options', (version) => packet(0x82, short(1), none(version), text(topic))],
  ['UNSUBSCRIBE whose filter ends outside', (version) => packet(0xa2, short(1), none(version), 0, 200, topic)],
  ['PUBLISH without a topic', () => packet(0x30)],
  ['PUBLISH whose topic ends outside', () => packet(0x30, 0, 200, topic)],
  ['PUBLISH of QoS 1 without an identifier', () => packet(0x32, text(topic))],
  ['PINGREQ with a body', () => packet(0xc0, 1)],
];

const fives: readonly (readonly [string, string, Buffer])[] = [
  ['MQTT-3.4.2-1', 'PUBACK with a reason that there is not', packet(0x40, short(1), 0x55)],
  ['MQTT-3.5.2-1', 'PUBREC with a reason that there is not', packet(0x50, short(1), 0x55)],
  ['MQTT-3.6.2-1', 'PUBREL with a reason that there is not', packet(0x62, short(1), 0x55)],
  ['MQTT-3.7.2-1', 'PUBCOMP with a reason that there is not', packet(0x70, short(1), 0x55)],
  [
    'MQTT-3.4.2-1',
    'PUBACK with a property that does not belong there',
    packet(0x40, short(1), 0, properties(property.alias(1))),
  ],
  ['MQTT-3.6.2-1', 'PUBREL with properties that end outside', packet(0x62, short(1), 0, 20, 0x26)],
  [
    'MQTT-3.4.2-1',
    'PUBACK with two reasons',
    packet(0x40, short(1), 0, properties(property.reason('a'), property.reason('b'))),
  ],
  ['MQTT-3.14.2-1', 'DISCONNECT with a reason of a server', packet(0xe0, 0x8e)],
  ['MQTT-3.14.2-1', 'DISCONNECT with a reason that there is not', packet(0xe0, 0x55)],
  [
    'MQTT-3.14.2-1',
    'DISCONNECT with a property that does not belong there',
    packet(0xe0, 0, properties(property.alias(1))),
  ],
  ['MQTT-3.14.2-1', 'DISCONNECT with octets after its properties', packet(0xe0, 0, properties(), 1)],
  ['MQTT-3.8.3-2', 'SUBSCRIBE whose properties end outside', packet(0x82, short(1), 200, text(topic), 0)],
  ['MQTT-2.2.2-1', 'SUBSCRIBE without a length of properties', packet(0x82, short(1))],
  ['MQTT-2.2.2-1', 'PUBLISH without a length of properties', packet(0x30, text(topic))],
  [
    'MQTT-1.5.5-1',
    'PUBLISH with a length of properties of five octets',
    packet(0x30, text(topic), 0x80, 0x80, 0x80, 0x80, 1),
  ],
  ['MQTT-1.5.5-1', 'PUBLISH with a length of properties in a longer form', packet(0x30, text(topic), 0x80, 0x00, 'x')],
  ['MQTT-2.2.2-1', 'PUBLISH with a property that there is not', packet(0x30, text(topic), properties(octets(0x00, 1)))],
  ['MQTT-3.15.1-1', 'AUTH with flags', octets(0xf1, 0)],
];

export const malformedCases: readonly Case[] = [
  ...flags.flatMap(([old, five, name, bits, bytes]) =>
    both(old, five, `${name} with flags ${bits} ends the connection`, (version) =>
      wrong(version, flagged(bytes(version), bits)),
    ),
  ),
  ...ofServers.flatMap(([name, bytes]) =>
    both('MQTT-4.8.0-1', 'MQTT-4.13.1-1', `${name} of a client ends the connection`, (version) =>
      wrong(version, bytes),
    ),
  ),
  ...topics.flatMap(([old, five, says, name]) =>
    both(old, five, `${says} ends the connection`, (version) => wrong(version, publishOf(version, name, { qos: 1 }))),
  ),
  ...tails.flatMap(([says, bytes]) =>
    both('MQTT-4.8.0-1', 'MQTT-4.13.1-1', `${says} ends the connection`, (version) => wrong(version, bytes(version))),
  ),
  ...fives.map(([statement, says, bytes]) =>
    caseOf('5.0', statement, `${says} ends the connection`, [wrong(5, bytes)]),
  ),
  ...both('MQTT-4.7.3-1', 'MQTT-4.7.3-1', 'an empty topic ends the connection', (version) =>
    wrong(version, publishOf(version, '', { qos: 0 })),
  ),
  ...both('MQTT-3.3.1-4', 'MQTT-3.3.1-4', 'PUBLISH of QoS 3 ends the connection', (version) =>
    wrong(version, flagged(publishOf(version, topic, { qos: 1 }), 6)),
  ),
  ...both('MQTT-3.3.1-2', 'MQTT-3.3.1-2', 'DUP with QoS 0 ends the connection', (version) =>
    wrong(version, publishOf(version, topic, { duplicate: true })),
  ),
  ...both('MQTT-2.3.1-1', 'MQTT-2.2.1-3', 'PUBLISH of QoS 1 with identifier 0 ends the connection', (version) =>
    wrong(version, publishOf(version, topic, { qos: 1, id: 0 })),
  ),
  ...both('MQTT-2.3.1-1', 'MQTT-2.2.1-3', 'PUBLISH of QoS 2 with identifier 0 ends the connection', (version) =>
    wrong(version, publishOf(version, topic, { qos: 2, id: 0 })),
  ),
  ...both('MQTT-2.2.2-2', 'MQTT-2.1.3-1', 'type 0 ends the connection', (version) =>
    wrong(version, octets(0x00, 0x00)),
  ),
  ...both('MQTT-2.2.3', 'MQTT-1.5.5-1', 'a length of five octets ends the connection', (version) =>
    wrong(version, octets(0x30, 0x80, 0x80, 0x80, 0x80, 0x01)),
  ),
  caseOf('3.1.1', 'MQTT-2.2.2-2', 'type 15 ends the connection', [wrong(4, octets(0xf0, 0x00))]),
  caseOf('3.1.1', 'MQTT-4.8.0-1', 'PUBACK with a reason ends the connection', [wrong(4, packet(0x40, short(1), 0))]),
  caseOf('3.1.1', 'MQTT-4.8.0-1', 'DISCONNECT with a body ends the connection', [wrong(4, packet(0xe0, 0))]),
  caseOf('5.0', 'MQTT-1.5.5-1', 'a length in a longer form than needed ends the connection', [
    wrong(5, octets(0xc0, 0x80, 0x00)),
  ]),
  ...both('MQTT-2.3.1-6', 'MQTT-2.2.1-5', 'a PUBACK that nobody waits for', (version) => [
    join('a', version),
    send('a', packet(0x40, short(99))),
    quiet('a'),
  ]),
  ...both('MQTT-2.3.1-6', 'MQTT-2.2.1-5', 'a PUBREC that nobody waits for', (version) => [
    join('a', version),
    send('a', packet(0x50, short(99))),
    quiet('a'),
  ]),
  ...both('MQTT-2.3.1-6', 'MQTT-2.2.1-5', 'a PUBCOMP that nobody waits for', (version) => [
    join('a', version),
    send('a', packet(0x70, short(99))),
    quiet('a'),
  ]),
  ...both('MQTT-4.2', 'MQTT-4.2-1', 'packets come one octet at a time', (version) => [
    join('b', version),
    subscribed('b', version, [[`q/slow${version}`, 0]]),
    join('a', version),
    // The marker of a case would be cut to pieces.
    [...publishOf(version, `q/slow${version}`, { qos: 1, payload: 'slow' })].map((octet) =>
      send('a', Buffer.of(octet)),
    ),
    see('a', 'PUBACK'),
    see('b', 'PUBLISH'),
  ]),
];
