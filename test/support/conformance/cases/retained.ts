import {
  both,
  caseOf,
  join,
  own,
  properties,
  property,
  published,
  publishOf,
  quiet,
  see,
  send,
  subscribed,
  type Case,
  type Step,
} from '../steps.js';

const topic = `${own}/kept`;

const kept = (version: 4 | 5, qos = 1, payload = 'kept'): Step[] => [
  ...join('a', version),
  ...published('a', version, topic, { qos, retain: true, payload }),
];

const late = (version: 4 | 5, options = 1): Step[] => [
  ...join('b', version),
  ...subscribed('b', version, [[topic, options]]),
];

export const retainedCases: readonly Case[] = [
  ...([0, 1, 2] as const).flatMap((qos) =>
    both(
      'MQTT-3.3.1-5 MQTT-3.3.1-6 MQTT-3.3.1-8',
      'MQTT-3.3.1-5 MQTT-3.3.1-9',
      `QoS ${qos} is kept for later`,
      (version) => [kept(version, qos), late(version, 2), see('b', 'PUBLISH')],
    ),
  ),
  ...both('MQTT-3.3.1-7', 'MQTT-3.3.1-5', 'a newer one takes its place', (version) => [
    kept(version),
    published('a', version, topic, { qos: 0, retain: true, payload: 'newer' }),
    late(version),
    see('b', 'PUBLISH'),
    quiet('b'),
  ]),
  ...both('MQTT-3.3.1-10 MQTT-3.3.1-11', 'MQTT-3.3.1-6 MQTT-3.3.1-7', 'an empty one removes it', (version) => [
    kept(version),
    published('a', version, topic, { qos: 1, retain: true, payload: '' }),
    late(version),
    quiet('b'),
  ]),
  ...both('MQTT-3.3.1-10', 'MQTT-3.3.1-6', 'an empty one reaches who subscribes', (version) => [
    late(version),
    kept(version, 1, ''),
    see('b', 'PUBLISH'),
  ]),
  ...both('MQTT-3.3.1-12', 'MQTT-3.3.1-8', 'one without RETAIN is not kept', (version) => [
    kept(version),
    published('a', version, topic, { qos: 1, payload: 'passing' }),
    late(version),
    see('b', 'PUBLISH'),
    quiet('b'),
  ]),
  ...both('MQTT-3.3.1-12', 'MQTT-3.3.1-8', 'an empty one without RETAIN removes nothing', (version) => [
    kept(version),
    published('a', version, topic, { qos: 1, payload: '' }),
    late(version),
    see('b', 'PUBLISH'),
  ]),
  ...both('MQTT-3.3.1-9', 'MQTT-3.3.1-12', 'who subscribes already gets it without RETAIN', (version) => [
    late(version),
    kept(version),
    see('b', 'PUBLISH'),
  ]),
  ...both('MQTT-3.8.4-3', 'MQTT-3.8.4-4 MQTT-3.3.1-9', 'subscribing again brings it again', (version) => [
    kept(version),
    late(version),
    see('b', 'PUBLISH'),
    subscribed('b', version, [[topic, 0]]),
    see('b', 'PUBLISH'),
  ]),
  ...both('MQTT-3.3.1-6', 'MQTT-3.3.1-9', 'a wildcard brings all that match', (version) => [
    join('a', version),
    published('a', version, `${own}/x/1`, { qos: 1, retain: true, payload: 'one' }),
    published('a', version, `${own}/y/2`, { qos: 1, retain: true, payload: 'two' }),
    join('b', version),
    subscribed('b', version, [[`${own}/+/1`, 0]]),
    see('b', 'PUBLISH'),
    subscribed('b', version, [[`${own}/#`, 0]]),
    quiet('b'),
  ]),
  caseOf('5.0', 'MQTT-3.3.1-13', 'Retain As Published keeps RETAIN', [late(5, 0x09), kept(5), see('b', 'PUBLISH')]),
  caseOf('5.0', 'MQTT-3.3.1-13', 'Retain As Published keeps its absence', [
    late(5, 0x09),
    join('a', 5),
    published('a', 5, topic, { qos: 1 }),
    see('b', 'PUBLISH'),
  ]),
  caseOf('5.0', 'MQTT-3.3.1-12', 'without Retain As Published RETAIN is cleared', [
    late(5, 1),
    kept(5),
    see('b', 'PUBLISH'),
  ]),
  caseOf('5.0', 'MQTT-3.3.1-10', 'Retain Handling 1 brings it to a new subscription', [
    kept(5),
    late(5, 0x11),
    see('b', 'PUBLISH'),
  ]),
  caseOf('5.0', 'MQTT-3.3.1-10', 'Retain Handling 1 does not bring it again', [
    kept(5),
    late(5, 0x11),
    see('b', 'PUBLISH'),
    subscribed('b', 5, [[topic, 0x11]]),
    quiet('b'),
  ]),
  caseOf('5.0', 'MQTT-3.3.1-11', 'Retain Handling 2 does not bring it', [kept(5), late(5, 0x21), quiet('b')]),
  caseOf('5.0', 'MQTT-3.3.2-17', 'its properties are kept', [
    join('a', 5),
    published('a', 5, topic, {
      qos: 1,
      retain: true,
      properties: properties(
        property.format(1),
        property.response(`${own}/answer`),
        property.correlation(Buffer.from('id')),
        property.content('text'),
        property.user('b', '1'),
        property.user('a', '2'),
      ),
    }),
    late(5),
    see('b', 'PUBLISH'),
  ]),
  caseOf('5.0', 'MQTT-3.3.1-9', 'it comes with the identifier of the subscription', [
    kept(5),
    join('b', 5),
    subscribed('b', 5, [[topic, 1]], properties(property.subscription(268_435_455))),
    see('b', 'PUBLISH'),
  ]),
  caseOf('5.0', 'MQTT-3.3.1-5', 'it is kept from an alias', [
    join('a', 5),
    send('a', publishOf(5, topic, { qos: 1, properties: properties(property.alias(1)) })),
    see('a', 'PUBACK'),
    send(
      'a',
      publishOf(5, '', { qos: 1, id: 2, retain: true, payload: 'kept', properties: properties(property.alias(1)) }),
    ),
    see('a', 'PUBACK'),
    late(5),
    see('b', 'PUBLISH'),
  ]),
];
