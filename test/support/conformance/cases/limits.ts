import {
  acknowledge,
  both,
  caseOf,
  cut,
  ended,
  join,
  joinWith,
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
  unsubscribeOf,
  type Case,
  type Step,
} from '../steps.js';

const topic = `${own}/a`;
const many = (count: number): number[] => Array.from({ length: count }, (_, nth) => nth + 1);

/** One that subscribes with QoS 0, and one that publishes what is long. */
const carried = (version: 4 | 5, name: string): Step[] => [
  ...join('b', version),
  ...subscribed('b', version, [[name, 0]]),
  ...join('a', version),
  ...published('a', version, name, { qos: 1 }),
  see('b', 'PUBLISH'),
];

const large = (fill: string): Buffer => Buffer.alloc(200_000, fill);

export const limitCases: readonly Case[] = [
  ...both('MQTT-3.1.4-4', 'MQTT-3.1.4-5', 'CONNECT, PUBLISH and DISCONNECT in one piece', (version) => [
    join('b', version),
    subscribed('b', version, [[topic, 0]]),
    joinWith('a', version, {}, publishOf(version, topic), packet(0xe0)),
    see('b', 'PUBLISH'),
    ended('a'),
  ]),
  ...both('MQTT-4.3.1.1', 'MQTT-4.3.1-1', 'a PUBLISH right before the connection fails', (version) => [
    join('b', version),
    subscribed('b', version, [[topic, 0]]),
    join('a', version),
    published('a', version, topic, { payload: 'one' }),
    cut('a'),
    see('b', 'PUBLISH'),
  ]),
  ...both('MQTT-4.7.3-3', 'MQTT-4.7.3-3', 'a topic of 10,000 octets', (version) =>
    carried(version, `${own}/${'x'.repeat(9994)}`),
  ),
  ...both('MQTT-4.7.3-3', 'MQTT-4.7.3-3', 'a topic of 65,535 octets', (version) =>
    carried(version, `${own}/${'x'.repeat(65_529)}`),
  ),
  ...both('MQTT-4.7.3-3', 'MQTT-4.7.3-3', 'a topic of 100 levels', (version) =>
    carried(version, `${own}${'/x'.repeat(100)}`),
  ),
  ...both('MQTT-4.7.3-1', 'MQTT-4.7.3-1', 'a topic of empty levels', (version) => carried(version, `${own}///`)),
  ...both('MQTT-4.7.3-4', 'MQTT-4.7.3-4', 'a topic with blanks and signs of all kinds', (version) =>
    carried(version, `${own}/ä ö/€/\u{1f600}/"'\\%$&/`),
  ),
  ...both('MQTT-3.8.4-4', 'MQTT-3.8.4-5', 'a SUBSCRIBE of 200 filters', (version) => [
    join('a', version),
    subscribed(
      'a',
      version,
      many(200).map((nth) => [`${own}/${nth}`, nth % 3] as const),
    ),
    published('a', version, `${own}/200`, { qos: 1 }),
    see('a', 'PUBLISH'),
  ]),
  ...both('MQTT-3.8.4-1', 'MQTT-3.8.4-1', '150 SUBSCRIBE and UNSUBSCRIBE in one piece', (version) => [
    join('a', version),
    send('a', ...many(150).map((nth) => subscribeOf(version, nth, [[`${own}/${nth}`, 0]]))),
    see('a', 'SUBACK', 150),
    send('a', ...many(150).map((nth) => unsubscribeOf(version, nth, [`${own}/${nth}`]))),
    see('a', 'UNSUBACK', 150),
    published('a', version, `${own}/7`, { qos: 1 }),
    quiet('a'),
  ]),
  ...both('MQTT-2.3.1-2', 'MQTT-2.2.1-3', 'two SUBSCRIBE with one identifier in one piece', (version) => [
    join('a', version),
    send('a', subscribeOf(version, 5, [[`${own}/1`, 0]]), subscribeOf(version, 5, [[`${own}/2`, 0]])),
    quiet('a'),
  ]),
  ...both('MQTT-2.3.1-2', 'MQTT-2.2.1-3', 'a PUBLISH and a SUBSCRIBE with one identifier in one piece', (version) => [
    join('a', version),
    send('a', publishOf(version, topic, { qos: 2, id: 5 }), subscribeOf(version, 5, [[`${own}/2`, 0]])),
    see('a', 'PUBREC'),
    see('a', 'SUBACK'),
    send('a', packet(0x62, short(5))),
    see('a', 'PUBCOMP'),
  ]),
  ...both('MQTT-4.6.0-6', 'MQTT-4.6.0-5', '50 PUBLISH of QoS 0 in one piece', (version) => [
    join('b', version),
    subscribed('b', version, [[topic, 0]]),
    join('a', version),
    send('a', ...many(50).map((nth) => publishOf(version, topic, { payload: `m${nth}` }))),
    see('b', 'PUBLISH', 50),
  ]),
  ...both('MQTT-4.3.3-2', 'MQTT-4.3.3-10', 'a QoS 2 message comes again without DUP', (version) => [
    join('b', version),
    subscribed('b', version, [[topic, 0]]),
    join('a', version),
    send('a', publishOf(version, topic, { qos: 2, id: 5 })),
    see('a', 'PUBREC'),
    send('a', publishOf(version, topic, { qos: 2, id: 5 })),
    see('a', 'PUBREC'),
    send('a', packet(0x62, short(5))),
    see('a', 'PUBCOMP'),
    quiet('b'),
  ]),
  ...both('MQTT-4.3.2.2', 'MQTT-4.3.2-4', 'large deliveries while much else goes on', (version) => [
    join('b', version),
    subscribed('b', version, [[topic, 1]]),
    join('a', version),
    send(
      'a',
      publishOf(version, topic, { payload: large('x') }),
      publishOf(version, topic, { qos: 1, id: 1, payload: large('y') }),
      publishOf(version, topic, { qos: 1, id: 2, payload: large('z') }),
    ),
    send('b', ...many(20).map((nth) => publishOf(version, `${own}/b`, { qos: 1, id: nth })), packet(0xc0)),
    see('b', 'PUBACK', 20),
    see('b', 'PUBLISH', 3),
    acknowledge('b', 'PUBACK'),
    acknowledge('b', 'PUBACK'),
    see('a', 'PUBACK', 2),
    quiet('b'),
  ]),
  ...both('MQTT-3.3.1-5', 'MQTT-3.3.1-5', 'a large message is kept', (version) => [
    join('a', version),
    published('a', version, topic, { qos: 1, retain: true, payload: large('k') }),
    join('b', version),
    subscribed('b', version, [[topic, 1]]),
    see('b', 'PUBLISH'),
  ]),
  ...both('MQTT-3.1.2-8', 'MQTT-3.1.2-8', 'a large will', (version) => [
    join('b', version),
    subscribed('b', version, [[topic, 0]]),
    join('a', version, { will: { topic, payload: 'w'.repeat(60_000) } }),
    cut('a'),
    see('b', 'PUBLISH'),
  ]),
  ...both('MQTT-3.1.4-2', 'MQTT-3.1.4-3', 'a client that returns again and again', (version) => [
    many(8).map(() => [
      join('a', version, { clean: false, ...(version === 5 ? { properties: properties(property.session(600)) } : {}) }),
      subscribed('a', version, [[topic, 0]]),
      cut('a'),
    ]),
    join('a', version, { clean: false, ...(version === 5 ? { properties: properties(property.session(600)) } : {}) }),
    published('a', version, topic, { qos: 1 }),
    see('a', 'PUBLISH'),
  ]),
  caseOf('5.0', 'MQTT-3.3.2-18', '200 User Properties keep their order', [
    join('b', 5),
    subscribed('b', 5, [[topic, 0]]),
    join('a', 5),
    published('a', 5, topic, {
      qos: 1,
      properties: properties(...many(200).map((nth) => property.user('k', String(nth)))),
    }),
    see('b', 'PUBLISH'),
  ]),
  caseOf('5.0', 'MQTT-3.3.2-17', 'a User Property of 65,535 octets', [
    join('b', 5),
    subscribed('b', 5, [[topic, 0]]),
    join('a', 5),
    published('a', 5, topic, { qos: 1, properties: properties(property.user('k', 'v'.repeat(65_535))) }),
    see('b', 'PUBLISH'),
  ]),
  caseOf('5.0', 'MQTT-3.1.3-1', '100 User Properties of CONNECT', [
    join('a', 5, { properties: properties(...many(100).map((nth) => property.user('k', String(nth)))) }),
    quiet('a'),
  ]),
  caseOf('5.0', 'MQTT-3.1.2-24', 'CONNACK fits into what the client takes', [
    join('a', 5, { properties: properties(property.packet(14)) }),
    quiet('a'),
  ]),
  caseOf('5.0', 'MQTT-3.3.2-15 MQTT-3.3.2-16', 'a request and its response', [
    join('b', 5),
    subscribed('b', 5, [[`${own}/ask`, 1]]),
    join('a', 5),
    subscribed('a', 5, [[`${own}/answer/#`, 1]], properties(property.subscription(3))),
    published('a', 5, `${own}/ask`, {
      qos: 1,
      properties: properties(property.response(`${own}/answer/1`), property.correlation(Buffer.from('77'))),
    }),
    see('b', 'PUBLISH'),
    acknowledge('b', 'PUBACK'),
    published('b', 5, `${own}/answer/1`, { qos: 1, properties: properties(property.correlation(Buffer.from('77'))) }),
    see('a', 'PUBLISH'),
  ]),
];
