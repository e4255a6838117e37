import type { ConnectFields } from '../../edge/packets.js';
import {
  both,
  caseOf,
  count,
  cut,
  ended,
  join,
  leave,
  octets,
  own,
  packet,
  pause,
  properties,
  property,
  quiet,
  raw,
  refused,
  see,
  send,
  short,
  subscribed,
  text,
  type Case,
  type Step,
} from '../steps.js';

const topic = `${own}/will`;

const willOf = (more: Partial<NonNullable<ConnectFields['will']>> = {}): ConnectFields => ({
  will: { topic, payload: 'gone', ...more },
});

/** Somebody who hears of wills, and somebody who has one. */
const heard = (version: 4 | 5, will: ConnectFields, options = 2): Step[] => [
  ...join('b', version),
  ...subscribed('b', version, [[`${own}/#`, options]]),
  ...join('a', version, will),
];

const badWill = (version: 4 | 5, bytes: Buffer, block = properties()): Step[] => [
  raw(
    'a',
    version,
    packet(
      0x10,
      text('MQTT'),
      version,
      6,
      short(60),
      version === 5 ? properties() : [],
      text(`${own}a`),
      version === 5 ? block : [],
      text(bytes),
      text('gone'),
    ),
  ),
  ended('a'),
];

const passed = (statement: string, says: string, ...pieces: Buffer[]): Case =>
  caseOf('5.0', statement, says, [
    heard(5, willOf({ qos: 1, properties: properties(...pieces) })),
    cut('a'),
    see('b', 'PUBLISH'),
  ]);

export const willCases: readonly Case[] = [
  ...([0, 1, 2] as const).flatMap((qos) =>
    both(
      'MQTT-3.1.2-8',
      'MQTT-3.1.2-7 MQTT-3.1.2-8',
      `a will of QoS ${qos} is published when the connection fails`,
      (version) => [heard(version, willOf({ qos })), cut('a'), see('b', 'PUBLISH')],
    ),
  ),
  ...both('MQTT-3.14.4-3 MQTT-3.1.2-10', 'MQTT-3.14.4-3 MQTT-3.1.2-10', 'DISCONNECT takes the will back', (version) => [
    heard(version, willOf({ qos: 1 })),
    leave('a'),
    quiet('b'),
  ]),
  ...both('MQTT-3.1.2-8', 'MQTT-3.1.2-8', 'a packet that is malformed publishes the will', (version) => [
    heard(version, willOf({ qos: 1 })),
    send('a', octets(0x63, 2, 0, 1)),
    ended('a'),
    see('b', 'PUBLISH'),
  ]),
  ...both('MQTT-3.1.2-8', 'MQTT-3.1.2-8', 'who is taken over from publishes the will', (version) => [
    heard(version, { ...willOf({ qos: 1 }), clientId: `${own}x` }),
    join('c', version, { clientId: `${own}x` }),
    ended('a'),
    see('b', 'PUBLISH'),
  ]),
  ...both('MQTT-3.1.2-10', 'MQTT-3.1.2-10', 'a will is published once', (version) => [
    heard(version, { ...willOf({ qos: 1 }), clean: false }),
    cut('a'),
    see('b', 'PUBLISH'),
    join('a', version),
    cut('a'),
    quiet('b'),
    join('c', version),
    quiet('b'),
  ]),
  ...both('MQTT-3.1.2-16', 'MQTT-3.1.2-14', 'a will without RETAIN is not kept', (version) => [
    heard(version, willOf({ qos: 1 })),
    cut('a'),
    see('b', 'PUBLISH'),
    join('c', version),
    subscribed('c', version, [[`${own}/#`, 1]]),
    quiet('c'),
  ]),
  ...both('MQTT-3.1.2-17', 'MQTT-3.1.2-15', 'a will with RETAIN is kept', (version) => [
    heard(version, willOf({ qos: 1, retain: true })),
    cut('a'),
    see('b', 'PUBLISH'),
    join('c', version),
    subscribed('c', version, [[`${own}/#`, 1]]),
    see('c', 'PUBLISH'),
  ]),
  ...both('MQTT-3.1.2-17', 'MQTT-3.1.2-15', 'an empty will with RETAIN removes what was kept', (version) => [
    join('c', version),
    send('c', packet(0x31, text(topic), version === 5 ? properties() : [], 'kept')),
    quiet('c'),
    heard(version, willOf({ qos: 0, retain: true, payload: '' })),
    see('b', 'PUBLISH'),
    cut('a'),
    see('b', 'PUBLISH'),
    join('d', version),
    subscribed('d', version, [[`${own}/#`, 1]]),
    quiet('d'),
  ]),
  ...both('MQTT-3.1.3-10', 'MQTT-3.1.3-11', 'a topic of a will that is no UTF-8 is refused', (version) =>
    badWill(version, Buffer.of(0x61, 0xc3, 0x28)),
  ),
  ...both('MQTT-4.7.1-1', 'MQTT-4.7.0-1', 'a topic of a will with a wildcard is refused', (version) =>
    badWill(version, Buffer.from(`${own}/#`)),
  ),
  ...both('MQTT-4.7.3-1', 'MQTT-4.7.3-1', 'an empty topic of a will is refused', (version) =>
    badWill(version, Buffer.alloc(0)),
  ),
  caseOf('5.0', 'MQTT-3.1.2-8', 'DISCONNECT with 0x04 publishes the will', [
    heard(5, willOf({ qos: 1 })),
    leave('a', packet(0xe0, 4)),
    see('b', 'PUBLISH'),
  ]),
  caseOf('5.0', 'MQTT-3.1.2-8', 'DISCONNECT with 0x04 and a reason publishes the will', [
    heard(5, willOf({ qos: 1 })),
    leave('a', packet(0xe0, 4, properties(property.reason('tired'), property.user('a', 'b')))),
    see('b', 'PUBLISH'),
  ]),
  caseOf('5.0', 'MQTT-3.1.2-8', 'DISCONNECT with an error publishes the will', [
    heard(5, willOf({ qos: 1 })),
    leave('a', packet(0xe0, 0x80)),
    see('b', 'PUBLISH'),
  ]),
  caseOf('5.0', 'MQTT-3.14.4-3', 'DISCONNECT with 0x00 and properties takes the will back', [
    heard(5, willOf({ qos: 1 })),
    leave('a', packet(0xe0, 0, properties(property.user('a', 'b')))),
    quiet('b'),
  ]),
  caseOf('5.0', 'MQTT-3.1.2-8', 'a will waits for its delay', [
    heard(5, {
      ...willOf({ qos: 1, properties: properties(property.willDelay(2)) }),
      properties: properties(property.session(600)),
    }),
    cut('a'),
    quiet('b'),
    pause(500),
    count('b', 'PUBLISH'),
    see('b', 'PUBLISH'),
  ]),
  caseOf('5.0', 'MQTT-3.1.3-9', 'a will is not published when its session is resumed before', [
    heard(5, {
      ...willOf({ qos: 1, properties: properties(property.willDelay(600)) }),
      properties: properties(property.session(600)),
    }),
    cut('a'),
    join('a', 5, { clean: false }),
    quiet('b'),
  ]),
  caseOf('5.0', 'MQTT-3.1.2-8', 'a will of a session that ends is published before its delay', [
    heard(5, willOf({ qos: 1, properties: properties(property.willDelay(600)) })),
    cut('a'),
    see('b', 'PUBLISH'),
  ]),
  passed('MQTT-3.3.2-4', 'the payload format of a will is passed on', property.format(1)),
  passed('MQTT-3.3.2-6', 'the expiry of a will is passed on', property.expiry(1000)),
  passed('MQTT-3.3.2-20', 'the content type of a will is passed on', property.content('text/plain')),
  passed('MQTT-3.3.2-15', 'the response topic of a will is passed on', property.response(`${own}/answer`)),
  passed('MQTT-3.3.2-16', 'the correlation data of a will are passed on', property.correlation(Buffer.of(0, 255))),
  passed(
    'MQTT-3.3.2-17 MQTT-3.3.2-18',
    'the User Properties of a will are passed on',
    property.user('b', '1'),
    property.user('a', '2'),
    property.user('b', '3'),
  ),
  caseOf('5.0', 'MQTT-3.1.4-1', 'Will Delay twice is refused', [
    badWill(5, Buffer.from(topic), properties(property.willDelay(1), property.willDelay(1))),
  ]),
  caseOf('5.0', 'MQTT-3.1.4-1', 'a payload format of 2 in a will is refused', [
    badWill(5, Buffer.from(topic), properties(property.format(2))),
  ]),
  caseOf('5.0', 'MQTT-3.1.4-1', 'a property that does not belong to a will is refused', [
    badWill(5, Buffer.from(topic), properties(property.receive(1))),
  ]),
  caseOf('5.0', 'MQTT-3.3.2-14', 'a response topic with a wildcard in a will is refused', [
    refused('a', 5, willOf({ properties: properties(property.response(`${own}/+`)) })),
  ]),
  caseOf('5.0', 'MQTT-3.3.2-13', 'a response topic that is no UTF-8 in a will is refused', [
    badWill(5, Buffer.from(topic), properties(property.response(Buffer.of(0xff)))),
  ]),
];
