import {
  caseOf,
  ended,
  join,
  own,
  packet,
  properties,
  property,
  published,
  quiet,
  raw,
  refused,
  send,
  short,
  text,
  type Case,
} from '../steps.js';

export const authCases: readonly Case[] = [
  caseOf('5.0', 'MQTT-4.12.0-1', 'a method that nobody knows is refused', [
    refused('a', 5, { properties: properties(property.method('SCRAM-SHA-1'), property.methodData('n,,n=user')) }),
  ]),
  caseOf('5.0', 'MQTT-4.12.0-1', 'an empty method is refused', [
    refused('a', 5, { properties: properties(property.method('')) }),
  ]),
  caseOf('5.0', 'MQTT-4.12.0-6', 'without a method CONNACK has none', [join('a', 5), quiet('a')]),
  caseOf('5.0', 'MQTT-4.12.0-7', 'AUTH without a method in CONNECT ends the connection', [
    join('a', 5),
    send('a', packet(0xf0, 0x19, properties(property.method('x')))),
    ended('a'),
  ]),
  caseOf('5.0', 'MQTT-4.12.0-7', 'AUTH without a body ends the connection', [
    join('a', 5),
    send('a', packet(0xf0)),
    ended('a'),
  ]),
  caseOf('5.0', 'MQTT-3.15.2-1', 'AUTH with a reason that there is not ends the connection', [
    join('a', 5),
    send('a', packet(0xf0, 0x55, properties(property.method('x')))),
    ended('a'),
  ]),
  caseOf('5.0', 'MQTT-3.1.0-1', 'AUTH before CONNECT ends the connection', [
    raw('a', 5, packet(0xf0, 0x18, properties(property.method('x')))),
    ended('a'),
  ]),
  caseOf('5.0', 'MQTT-4.12.0-1', 'the method twice is refused', [
    refused('a', 5, { properties: properties(property.method('x'), property.method('x')) }),
  ]),
  caseOf('5.0', 'MQTT-3.1.2-16', 'neither a user name nor a password', [
    raw('a', 5, packet(0x10, text('MQTT'), 5, 2, short(60), properties(), text(`${own}a`))),
    quiet('a'),
  ]),
  caseOf('3.1.1', 'MQTT-3.1.2-18', 'neither a user name nor a password', [
    raw('a', 4, packet(0x10, text('MQTT'), 4, 2, short(60), text(`${own}a`))),
    quiet('a'),
  ]),
  caseOf('5.0', 'MQTT-3.1.2-17', 'any user name counts for nothing', [
    join('a', 5, { username: 'somebody else' }),
    published('a', 5, `${own}/a`, { qos: 1 }),
  ]),
  caseOf('5.0', 'MQTT-3.1.2-17', 'an empty user name is taken', [join('a', 5, { username: '' })]),
];
