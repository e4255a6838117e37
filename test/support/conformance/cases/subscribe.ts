import {
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
  subscribeOf,
  text,
  unsubscribeOf,
  type Case,
  type Step,
} from '../steps.js';

/** Which topics a filter meets: somebody subscribes to it, and somebody publishes to each. */
const meets = (version: 4 | 5, filter: string, topics: readonly string[]): Step[] => [
  ...join('b', version),
  ...subscribed('b', version, [[filter, 0]]),
  ...join('a', version),
  ...topics.flatMap((topic, nth) => published('a', version, topic, { qos: 1, id: nth + 1, payload: String(nth) })),
  quiet('b'),
];

const wrongFilter = (version: 4 | 5, filter: string | Buffer): Step[] => [
  ...join('a', version),
  send('a', packet(0x82, short(1), version === 5 ? properties() : [], text(filter), 0)),
  ended('a'),
];

const wrongBlock = (statement: string, says: string, ...pieces: Buffer[]): Case =>
  caseOf('5.0', statement, says, [
    join('a', 5),
    send('a', subscribeOf(5, 1, [[`${own}/a`, 0]], properties(...pieces))),
    ended('a'),
  ]);

const filters: readonly (readonly [string, string, string, readonly string[]])[] = [
  ['MQTT-4.7.1-2', 'MQTT-4.7.1-1', `${own}/a/#`, [`${own}/a`, `${own}/a/b`, `${own}/a/b/c`, `${own}/ab`, `${own}/a/`]],
  ['MQTT-4.7.1-3', 'MQTT-4.7.1-2', `${own}/+`, [`${own}/a`, `${own}`, `${own}/`, `${own}/a/b`]],
  ['MQTT-4.7.1-3', 'MQTT-4.7.1-2', `${own}/+/c`, [`${own}/a/c`, `${own}//c`, `${own}/c`, `${own}/a/b/c`]],
  ['MQTT-4.7.1-3', 'MQTT-4.7.1-2', `+/${own}/x`, [`q/${own}/x`, `/${own}/x`, `$q/${own}/x`, `${own}/x`]],
  ['MQTT-4.7.1-3', 'MQTT-4.7.1-2', `+/${own}/+`, [`q/${own}/x`, `/${own}/`, `q/${own}`]],
  [
    'MQTT-4.7.3-4',
    'MQTT-4.7.3-4',
    `${own}/a`,
    [`${own}/a`, `${own}/A`, `/${own}/a`, `${own}/a/`, `${own}//a`, `${own}/ a`],
  ],
  ['MQTT-4.7.3-4', 'MQTT-4.7.3-4', `${own}/e\u0301`, [`${own}/\u00e9`, `${own}/e\u0301`]],
  ['MQTT-1.5.3-3', 'MQTT-1.5.4-3', `${own}/\ufeffa`, [`${own}/a`, `${own}/\ufeffa`]],
  ['MQTT-4.7.3-1', 'MQTT-4.7.3-1', `${own}//`, [`${own}//`, `${own}/`, `${own}`]],
  ['MQTT-4.7.2-1', 'MQTT-4.7.2-1', `$q/${own}/#`, [`$q/${own}/a`, `q/${own}/a`]],
];

const wrongFilters: readonly (readonly [string, string, string, string | Buffer])[] = [
  ['MQTT-4.7.1-2', 'MQTT-4.7.1-1', '# that does not fill its level', `${own}/a#`],
  ['MQTT-4.7.1-2', 'MQTT-4.7.1-1', '# that is not the last', `${own}/#/a`],
  ['MQTT-4.7.1-3', 'MQTT-4.7.1-2', '+ that does not fill its level', `${own}/a+`],
  ['MQTT-4.7.1-3', 'MQTT-4.7.1-2', '+ with something after it', `${own}/+a/b`],
  ['MQTT-4.7.3-1', 'MQTT-4.7.3-1', 'an empty filter', ''],
  ['MQTT-4.7.3-2', 'MQTT-4.7.3-2', 'a filter with U+0000', `${own}/\0`],
  ['MQTT-3.8.3-1', 'MQTT-3.8.3-1', 'a filter that is no UTF-8', Buffer.of(0x61, 0xc0, 0x80)],
];

export const subscribeCases: readonly Case[] = [
  ...filters.flatMap(([old, five, filter, topics], nth) =>
    both(old, five, `what filter ${nth + 1} meets`, (version) => meets(version, filter, topics)),
  ),
  ...wrongFilters.flatMap(([old, five, says, filter]) =>
    both(old, five, `${says} is refused`, (version) => wrongFilter(version, filter)),
  ),
  ...([0, 1, 2] as const).flatMap((qos) =>
    both(
      'MQTT-3.8.4-1 MQTT-3.8.4-2 MQTT-3.8.4-5',
      'MQTT-3.8.4-1 MQTT-3.8.4-2 MQTT-3.8.4-7',
      `SUBACK grants QoS ${qos}`,
      (version) => [join('a', version), subscribed('a', version, [[`${own}/a`, qos]], undefined, 4000 + qos)],
    ),
  ),
  ...both(
    'MQTT-3.8.4-4 MQTT-3.9.3-1',
    'MQTT-3.8.4-5 MQTT-3.8.4-6 MQTT-3.9.3-1',
    'several filters have one answer, in their order',
    (version) => [
      join('a', version),
      subscribed('a', version, [
        [`${own}/a`, 2],
        [`${own}/b`, 0],
        [`${own}/+/c`, 1],
        [`${own}/a`, 1],
      ]),
    ],
  ),
  ...both('MQTT-3.8.4-3', 'MQTT-3.8.4-3', 'the same filter takes the place of the one before', (version) => [
    join('b', version),
    subscribed('b', version, [[`${own}/#`, 2]]),
    subscribed('b', version, [[`${own}/#`, 0]]),
    join('a', version),
    published('a', version, `${own}/a`, { qos: 2 }),
    see('b', 'PUBLISH'),
    quiet('b'),
  ]),
  ...both('MQTT-3.8.3-3', 'MQTT-3.8.3-2', 'a SUBSCRIBE without a filter is refused', (version) => [
    join('a', version),
    send('a', subscribeOf(version, 1, [])),
    ended('a'),
  ]),
  ...both('MQTT-3.8.3-4', 'MQTT-3.8.3-5', 'QoS 3 is refused', (version) => [
    join('a', version),
    send('a', subscribeOf(version, 1, [[`${own}/a`, 3]])),
    ended('a'),
  ]),
  ...both('MQTT-3.8.3-4', 'MQTT-3.8.3-5', 'the upper reserved bits are refused', (version) => [
    join('a', version),
    send('a', subscribeOf(version, 1, [[`${own}/a`, 0x81]])),
    ended('a'),
  ]),
  ...both('MQTT-2.3.1-1', 'MQTT-2.2.1-3', 'a SUBSCRIBE with identifier 0 is refused', (version) => [
    join('a', version),
    send('a', subscribeOf(version, 0, [[`${own}/a`, 1]])),
    ended('a'),
  ]),
  ...both('MQTT-2.3.1-2', 'MQTT-2.2.1-3', 'requests in one piece are all answered', (version) => [
    join('a', version),
    send(
      'a',
      subscribeOf(version, 1, [[`${own}/a`, 1]]),
      publishOf(version, `${own}/a`, { qos: 1, id: 2 }),
      unsubscribeOf(version, 3, [`${own}/a`]),
      packet(0xc0),
      publishOf(version, `${own}/a`, { qos: 2, id: 4 }),
    ),
    see('a', 'SUBACK'),
    see('a', 'PUBACK'),
    see('a', 'UNSUBACK'),
    see('a', 'PINGRESP'),
    see('a', 'PUBREC'),
    see('a', 'PUBLISH'),
  ]),
  ...both('MQTT-3.8.4-1', 'MQTT-3.8.4-1', 'a subscription to $SYS is answered', (version) => [
    join('a', version),
    subscribed('a', version, [[`$SYS/${own}/#`, 0]]),
  ]),
  ...both('MQTT-4.7.2-1', 'MQTT-4.7.2-1', 'a # does not meet topics that begin with $', (version) => [
    join('b', version),
    subscribed('b', version, [[`+/${own}/#`, 0]]),
    join('a', version),
    published('a', version, `$q/${own}/a`, { qos: 1 }),
    quiet('b'),
  ]),
  caseOf('5.0', 'MQTT-3.8.3-3', 'No Local keeps own messages away', [
    join('a', 5),
    subscribed('a', 5, [[`${own}/#`, 0x05]]),
    join('b', 5),
    subscribed('b', 5, [[`${own}/#`, 0x01]]),
    published('a', 5, `${own}/a`, { qos: 1 }),
    see('b', 'PUBLISH'),
    quiet('a'),
    published('b', 5, `${own}/b`, { qos: 1 }),
    see('a', 'PUBLISH'),
  ]),
  caseOf('5.0', 'MQTT-3.8.3-4', 'No Local with a shared subscription is refused', [
    join('a', 5),
    send('a', subscribeOf(5, 1, [[`$share/g/${own}/#`, 0x05]])),
    ended('a'),
  ]),
  caseOf('5.0', 'MQTT-3.8.3-5', 'Retain Handling 3 is refused', [
    join('a', 5),
    send('a', subscribeOf(5, 1, [[`${own}/a`, 0x31]])),
    ended('a'),
  ]),
  caseOf('5.0', 'MQTT-3.8.3-5', 'the other reserved bit is refused', [
    join('a', 5),
    send('a', subscribeOf(5, 1, [[`${own}/a`, 0x41]])),
    ended('a'),
  ]),
  caseOf('3.1.1', 'MQTT-3.8.3-4', 'options of MQTT 5 are refused', [
    join('a', 4),
    send('a', subscribeOf(4, 1, [[`${own}/a`, 0x04]])),
    ended('a'),
  ]),
  caseOf('5.0', 'MQTT-3.3.4-3', 'a Subscription Identifier comes with each message', [
    join('b', 5),
    subscribed('b', 5, [[`${own}/#`, 1]], properties(property.subscription(1))),
    join('a', 5),
    published('a', 5, `${own}/a`, { qos: 1 }),
    see('b', 'PUBLISH'),
  ]),
  caseOf('5.0', 'MQTT-3.3.4-4', 'the Subscription Identifiers of all that overlap come', [
    join('b', 5),
    subscribed('b', 5, [[`${own}/#`, 1]], properties(property.subscription(1))),
    subscribed('b', 5, [[`${own}/+`, 1]], properties(property.subscription(200))),
    subscribed('b', 5, [[`${own}/a`, 1]]),
    join('a', 5),
    published('a', 5, `${own}/a`, { qos: 1 }),
    see('b', 'PUBLISH'),
    quiet('b'),
  ]),
  caseOf('5.0', 'MQTT-3.8.4-3', 'another Subscription Identifier takes its place', [
    join('b', 5),
    subscribed('b', 5, [[`${own}/#`, 1]], properties(property.subscription(1))),
    subscribed('b', 5, [[`${own}/#`, 1]], properties(property.subscription(2))),
    join('a', 5),
    published('a', 5, `${own}/a`, { qos: 1 }),
    see('b', 'PUBLISH'),
  ]),
  wrongBlock('MQTT-3.8.4-1', 'a Subscription Identifier of 0 is refused', property.subscription(0)),
  wrongBlock(
    'MQTT-3.8.4-1',
    'two Subscription Identifiers are refused',
    property.subscription(1),
    property.subscription(2),
  ),
  wrongBlock('MQTT-3.8.4-1', 'a property that does not belong to SUBSCRIBE is refused', property.alias(1)),
  wrongBlock('MQTT-3.8.4-1', 'a property that there is not is refused', Buffer.of(0x7e, 1)),
];
