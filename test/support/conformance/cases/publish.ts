import {
  acknowledge,
  both,
  caseOf,
  ended,
  join,
  own,
  packet,
  properties,
  property,
  published,
  publishOf,
  quiet,
  see,
  send,
  short,
  subscribed,
  type Case,
  type Step,
} from '../steps.js';

const topic = `${own}/a`;

/** Somebody who subscribes with QoS 2, and somebody who publishes. */
const pair = (version: 4 | 5, options = 2): Step[] => [
  ...join('b', version),
  ...subscribed('b', version, [[`${own}/#`, options]]),
  ...join('a', version),
];

const passes = (statement: string, says: string, ...pieces: Buffer[]): Case =>
  caseOf('5.0', statement, says, [
    pair(5),
    published('a', 5, topic, { qos: 1, properties: properties(...pieces) }),
    see('b', 'PUBLISH'),
  ]);

const refuses = (statement: string, says: string, ...pieces: Buffer[]): Case =>
  caseOf('5.0', statement, says, [
    pair(5),
    send('a', publishOf(5, topic, { qos: 1, properties: properties(...pieces) })),
    ended('a'),
    quiet('b'),
  ]);

const large = 200_000;

export const publishCases: readonly Case[] = [
  ...([0, 1, 2] as const).flatMap((sent) =>
    ([0, 1, 2] as const).flatMap((granted) =>
      both(
        'MQTT-3.8.4-6 MQTT-3.3.4-1',
        'MQTT-3.8.4-8 MQTT-3.3.4-1',
        `QoS ${sent} comes with at most the granted QoS ${granted}`,
        (version) => [
          pair(version, granted),
          published('a', version, topic, { qos: sent }),
          see('b', 'PUBLISH'),
          ...(Math.min(sent, granted) === 1 ? [acknowledge('b', 'PUBACK')] : []),
          ...(Math.min(sent, granted) === 2
            ? [acknowledge('b', 'PUBREC'), see('b', 'PUBREL'), acknowledge('b', 'PUBCOMP')]
            : []),
          quiet('b'),
        ],
      ),
    ),
  ),
  ...both(
    'MQTT-4.3.2.2 MQTT-2.3.1-6',
    'MQTT-4.3.2-4 MQTT-2.2.1-5',
    'PUBACK has the identifier of its PUBLISH',
    (version) => [
      join('a', version),
      published('a', version, topic, { qos: 1, id: 1 }),
      published('a', version, topic, { qos: 1, id: 0xffff }),
      published('a', version, topic, { qos: 1, id: 0x0100 }),
    ],
  ),
  ...both(
    'MQTT-4.3.2.2',
    'MQTT-4.3.2-5',
    'after PUBACK the same identifier is a new message, with DUP too',
    (version) => [
      pair(version),
      published('a', version, topic, { qos: 1, id: 5, payload: 'one' }),
      published('a', version, topic, { qos: 1, id: 5, payload: 'two', duplicate: true }),
      see('b', 'PUBLISH', 2),
    ],
  ),
  ...both('MQTT-4.3.3-2', 'MQTT-4.3.3-8 MQTT-4.3.3-10', 'a QoS 2 message that is sent again comes once', (version) => [
    pair(version, 0),
    send('a', publishOf(version, topic, { qos: 2, id: 5 })),
    see('a', 'PUBREC'),
    send('a', publishOf(version, topic, { qos: 2, id: 5, duplicate: true })),
    see('a', 'PUBREC'),
    send('a', packet(0x62, short(5))),
    see('a', 'PUBCOMP'),
    see('b', 'PUBLISH'),
    quiet('b'),
  ]),
  ...both('MQTT-4.3.3-2', 'MQTT-4.3.3-12', 'after PUBCOMP the same identifier is a new message', (version) => [
    pair(version, 0),
    published('a', version, topic, { qos: 2, id: 5, payload: 'one' }),
    published('a', version, topic, { qos: 2, id: 5, payload: 'two' }),
    see('b', 'PUBLISH', 2),
  ]),
  ...both('MQTT-4.3.3-2', 'MQTT-4.3.3-11', 'PUBREL is answered twice when it is sent twice', (version) => [
    join('a', version),
    published('a', version, topic, { qos: 2, id: 5 }),
    send('a', packet(0x62, short(5))),
    quiet('a'),
  ]),
  ...both('MQTT-4.3.3-2', 'MQTT-4.3.3-11', 'PUBREL of an identifier that nobody knows', (version) => [
    join('a', version),
    send('a', packet(0x62, short(77))),
    quiet('a'),
  ]),
  ...both('MQTT-3.3.1-3', 'MQTT-3.3.1-3', 'DUP of the sender is not passed on', (version) => [
    pair(version),
    published('a', version, topic, { qos: 1, duplicate: true }),
    see('b', 'PUBLISH'),
  ]),
  ...both(
    'MQTT-4.6.0-6',
    'MQTT-4.6.0-5 MQTT-4.6.0-6',
    'messages come in the order in which they were sent',
    (version) => [
      pair(version, 1),
      send(
        'a',
        ...Array.from({ length: 12 }, (_, nth) =>
          publishOf(version, topic, { qos: 1, id: nth + 1, payload: `m${nth}` }),
        ),
      ),
      see('a', 'PUBACK', 12),
      Array.from({ length: 12 }, () => [see('b', 'PUBLISH'), acknowledge('b', 'PUBACK')]),
      quiet('b'),
    ],
  ),
  ...both('MQTT-4.6.0-6', 'MQTT-4.6.0-5', 'QoS 2 messages that overlap come in their order', (version) => [
    pair(version, 0),
    send('a', ...[1, 2, 3].map((id) => publishOf(version, topic, { qos: 2, id, payload: `m${id}` }))),
    see('a', 'PUBREC', 3),
    send('a', ...[1, 2, 3].map((id) => packet(0x62, short(id)))),
    see('a', 'PUBCOMP', 3),
    see('b', 'PUBLISH', 3),
  ]),
  ...both('MQTT-3.3.5-1', 'MQTT-3.3.4-2', 'subscriptions that overlap', (version) => [
    join('b', version),
    subscribed('b', version, [
      [`${own}/#`, 0],
      [`${own}/+`, 2],
      [topic, 1],
    ]),
    join('a', version),
    published('a', version, topic, { qos: 2 }),
    see('b', 'PUBLISH'),
    quiet('b'),
  ]),
  ...both('MQTT-3.3.2-1', 'MQTT-3.3.2-1', 'an empty payload is passed on', (version) => [
    pair(version),
    published('a', version, topic, { qos: 1, payload: '' }),
    see('b', 'PUBLISH'),
  ]),
  ...both('MQTT-3.3.2-1', 'MQTT-3.3.2-1', 'octets of all kinds are passed on', (version) => [
    pair(version),
    published('a', version, topic, { qos: 1, payload: Buffer.from(Array.from({ length: 40 }, (_, nth) => nth * 6.5)) }),
    see('b', 'PUBLISH'),
  ]),
  ...both('MQTT-3.3.2-1', 'MQTT-3.3.2-1', 'a large message is passed on', (version) => [
    pair(version),
    published('a', version, topic, { qos: 1, payload: Buffer.alloc(large, 'x') }),
    see('b', 'PUBLISH'),
    published('a', version, topic, { qos: 2, payload: Buffer.alloc(large, 'y') }),
    see('b', 'PUBLISH'),
  ]),
  ...both('MQTT-3.3.2-1', 'MQTT-3.2.2-15', 'a message of more than 256 KiB', (version) => [
    pair(version),
    send('a', publishOf(version, topic, { qos: 1, payload: Buffer.alloc(300_000, 'x') })),
    see('a', 'PUBACK'),
    quiet('b'),
  ]),
  ...both('MQTT-3.3.4-1', 'MQTT-3.3.4-1', 'nobody who hears a message changes nothing', (version) => [
    join('a', version),
    published('a', version, topic, { qos: 0 }),
    published('a', version, topic, { qos: 2 }),
  ]),
  passes('MQTT-3.3.2-4', 'the payload format is passed on', property.format(1)),
  passes('MQTT-3.3.2-4', 'the payload format 0 is passed on', property.format(0)),
  passes('MQTT-3.3.2-6', 'the expiry is passed on', property.expiry(10_000)),
  passes('MQTT-3.3.2-15', 'the response topic is passed on', property.response(`${own}/answer`)),
  passes('MQTT-3.3.2-16', 'the correlation data are passed on', property.correlation(Buffer.of(0, 1, 255))),
  passes('MQTT-3.3.2-16', 'empty correlation data are passed on', property.correlation(Buffer.alloc(0))),
  passes('MQTT-3.3.2-20', 'the content type is passed on', property.content('application/json')),
  passes('MQTT-3.3.2-17', 'a User Property is passed on', property.user('key', 'value')),
  passes('MQTT-3.3.2-17', 'an empty User Property is passed on', property.user('', '')),
  passes(
    'MQTT-3.3.2-18',
    'User Properties keep their order',
    property.user('b', '1'),
    property.user('a', '2'),
    property.user('b', '3'),
    property.user('b', '1'),
  ),
  passes(
    'MQTT-3.3.2-17',
    'all properties together are passed on',
    property.format(1),
    property.expiry(10_000),
    property.response(`${own}/answer`),
    property.correlation(Buffer.from('id-7')),
    property.user('k', 'v'),
    property.content('text'),
  ),
  passes('MQTT-1.5.4-3', 'U+FEFF in a User Property is passed on', property.user('\ufeffk', 'v\ufeff')),
  refuses('MQTT-3.3.2-4', 'a payload format of 2 is refused', property.format(2)),
  refuses('MQTT-3.3.2-4', 'payload format twice is refused', property.format(1), property.format(1)),
  refuses('MQTT-3.3.2-6', 'expiry twice is refused', property.expiry(1), property.expiry(1)),
  refuses('MQTT-3.3.2-20', 'content type twice is refused', property.content('a'), property.content('a')),
  refuses('MQTT-3.3.2-15', 'response topic twice is refused', property.response(topic), property.response(topic)),
  refuses(
    'MQTT-3.3.2-16',
    'correlation data twice is refused',
    property.correlation(Buffer.of(1)),
    property.correlation(Buffer.of(1)),
  ),
  refuses('MQTT-3.3.2-14', 'a response topic with # is refused', property.response(`${own}/#`)),
  refuses('MQTT-3.3.2-14', 'a response topic with + is refused', property.response(`${own}/+/x`)),
  refuses('MQTT-3.3.2-13', 'a response topic that is no UTF-8 is refused', property.response(Buffer.of(0xff))),
  refuses('MQTT-3.3.2-19', 'a content type that is no UTF-8 is refused', property.content(Buffer.of(0xc3, 0x28))),
  refuses('MQTT-3.3.4-6', 'a Subscription Identifier of a client is refused', property.subscription(3)),
  refuses('MQTT-3.3.2-17', 'a User Property that is no UTF-8 is refused', property.user('k', Buffer.of(0x80))),
  refuses('MQTT-3.3.2-17', 'a User Property with U+0000 is refused', property.user('k', Buffer.of(0))),
  refuses('MQTT-2.2.2-1', 'a property that belongs to CONNECT is refused', property.session(1)),
  caseOf('5.0', 'MQTT-3.3.2-6', 'an expiry of 0', [
    pair(5),
    published('a', 5, topic, { qos: 1, properties: properties(property.expiry(0)) }),
    quiet('b'),
  ]),
  caseOf('5.0', 'MQTT-4.3.3-9', 'PUBREL with an error is answered', [
    pair(5),
    send('a', publishOf(5, topic, { qos: 2, id: 3 })),
    see('a', 'PUBREC'),
    send('a', packet(0x62, short(3), 0x92)),
    quiet('a'),
    quiet('b'),
  ]),
  caseOf('5.0', 'MQTT-3.6.2-1', 'PUBREL with properties is answered', [
    pair(5, 0),
    send('a', publishOf(5, topic, { qos: 2, id: 3 })),
    see('a', 'PUBREC'),
    send('a', packet(0x62, short(3), 0, properties(property.reason('done'), property.user('a', 'b')))),
    see('a', 'PUBCOMP'),
    see('b', 'PUBLISH'),
  ]),
  caseOf('5.0', 'MQTT-3.4.2-1', 'PUBACK with properties is taken', [
    pair(5, 1),
    published('a', 5, topic, { qos: 1 }),
    see('b', 'PUBLISH'),
    acknowledge('b', 'PUBACK', 0x10, properties(property.reason('nobody'), property.user('a', 'b'))),
    quiet('b'),
  ]),
  caseOf('5.0', 'MQTT-3.5.2-1', 'PUBREC with an error ends the delivery', [
    pair(5, 2),
    published('a', 5, topic, { qos: 2 }),
    see('b', 'PUBLISH'),
    acknowledge('b', 'PUBREC', 0x80),
    quiet('b'),
  ]),
  caseOf('5.0', 'MQTT-3.7.2-1', 'PUBCOMP with an error ends the delivery', [
    pair(5, 2),
    published('a', 5, topic, { qos: 2 }),
    see('b', 'PUBLISH'),
    acknowledge('b', 'PUBREC'),
    see('b', 'PUBREL'),
    acknowledge('b', 'PUBCOMP', 0x92),
    quiet('b'),
  ]),
];
