import { connect, type ConnectFields } from '../../edge/packets.js';
import {
  both,
  caseOf,
  ended,
  join,
  joinWith,
  leave,
  long,
  octets,
  own,
  packet,
  properties,
  property,
  published,
  publishOf,
  quiet,
  raw,
  refused,
  see,
  send,
  short,
  subscribed,
  subscribeOf,
  text,
  type Case,
} from '../steps.js';

/** A CONNECT whose parts can all be wrong. */
const written = (
  version: 4 | 5,
  { name = 'MQTT', level = version as number, flags = 2, keepAlive = 60, block = properties(), rest = [] as Buffer[] },
): Buffer =>
  packet(0x10, text(name), level, flags, short(keepAlive), version === 5 ? block : [], text(`${own}a`), ...rest);

const wrong = (version: 4 | 5, fields: Parameters<typeof written>[1]) => [
  raw('a', version, written(version, fields)),
  ended('a'),
];

const badText = (version: 4 | 5, clientId: Buffer) => [
  raw(
    'a',
    version,
    packet(0x10, text('MQTT'), version, 2, short(60), version === 5 ? properties() : [], text(clientId)),
  ),
  ended('a'),
];

/** CONNECT with a block of properties that is wrong. */
const blockOf = (statement: string, says: string, ...pieces: Buffer[]): Case =>
  caseOf('5.0', statement, says, [wrong(5, { block: properties(...pieces) })]);

const takes = (statement: string, says: string, ...pieces: Buffer[]): Case =>
  caseOf('5.0', statement, says, [join('a', 5, { properties: properties(...pieces) }), quiet('a')]);

/** Which client ids are let in. */
const names: readonly ConnectFields[] = [
  { clientId: `${own}abcdefghijklmnopqr` },
  { clientId: `${own}STUVWXYZ0123456789` },
  { clientId: `${own}-a longer client identifier, with blanks` },
];

export const connectCases: readonly Case[] = [
  ...both('MQTT-3.1.0-1', 'MQTT-3.1.0-1', 'another first packet ends the connection', (version) => [
    raw('a', version, subscribeOf(version, 1, [[`${own}/a`, 0]])),
    ended('a'),
  ]),
  ...both('MQTT-3.1.0-1', 'MQTT-3.1.0-1', 'a PUBLISH before CONNECT reaches nobody', (version) => [
    join('b', version),
    subscribed('b', version, [[`${own}/#`, 0]]),
    raw('a', version, publishOf(version, `${own}/a`), connect({ version, clientId: `${own}a` })),
    ended('a'),
    quiet('b'),
  ]),
  ...both('MQTT-3.1.0-1', 'MQTT-3.1.0-1', 'a PINGREQ before CONNECT ends the connection', (version) => [
    raw('a', version, packet(0xc0)),
    ended('a'),
  ]),
  ...both('MQTT-3.1.0-2', 'MQTT-3.1.0-2', 'a second CONNECT ends the connection', (version) => [
    join('a', version),
    send('a', connect({ version, clientId: `${own}a` })),
    ended('a'),
  ]),
  ...both('MQTT-3.1.2-1', 'MQTT-3.1.2-1', 'another protocol name is refused', (version) =>
    wrong(version, { name: 'MQTX' }),
  ),
  ...both('MQTT-3.1.2-1', 'MQTT-3.1.2-1', 'a protocol name in small letters is refused', (version) =>
    wrong(version, { name: 'mqtt' }),
  ),
  ...both('MQTT-3.1.2-1', 'MQTT-3.1.2-1', 'an empty protocol name is refused', (version) =>
    wrong(version, { name: '' }),
  ),
  caseOf('3.1.1', 'MQTT-3.1.2-2', 'level 2 is refused with code 1', [wrong(4, { level: 2 })]),
  caseOf('3.1.1', 'MQTT-3.1.2-2', 'level 0 is refused with code 1', [wrong(4, { level: 0 })]),
  caseOf('5.0', 'MQTT-3.1.2-2', 'level 6 is refused', [wrong(5, { level: 6 })]),
  caseOf('5.0', 'MQTT-3.1.2-2', 'level 127 is refused', [wrong(5, { level: 127 })]),
  ...both('MQTT-3.1.2-3', 'MQTT-3.1.2-3', 'the reserved flag is refused', (version) => wrong(version, { flags: 3 })),
  ...both('MQTT-3.1.2-14', 'MQTT-3.1.2-12', 'a will of QoS 3 is refused', (version) =>
    wrong(version, {
      flags: 0x1e,
      rest: [...(version === 5 ? [properties()] : []), text(`${own}/w`), text('gone')],
    }),
  ),
  ...both('MQTT-3.1.2-13', 'MQTT-3.1.2-11', 'a QoS of a will without a will is refused', (version) =>
    wrong(version, { flags: 0x0a }),
  ),
  ...both('MQTT-3.1.2-15', 'MQTT-3.1.2-13', 'RETAIN of a will without a will is refused', (version) =>
    wrong(version, { flags: 0x22 }),
  ),
  ...both('MQTT-3.1.2-9', 'MQTT-3.1.2-9', 'a will that is announced and missing is refused', (version) =>
    wrong(version, { flags: 0x06 }),
  ),
  ...both('MQTT-3.1.2-19', 'MQTT-3.1.2-17', 'a user name that is announced and missing is refused', (version) =>
    wrong(version, { flags: 0x82 }),
  ),
  ...both('MQTT-3.1.2-21', 'MQTT-3.1.2-19', 'a password that is announced and missing is refused', (version) =>
    wrong(version, { flags: 0xc2, rest: [text('u')] }),
  ),
  caseOf('3.1.1', 'MQTT-3.1.2-22', 'a password without a user name is refused', [
    wrong(4, { flags: 0x42, rest: [text('secret')] }),
  ]),
  ...both('MQTT-3.1.2-18', 'MQTT-3.1.2-16', 'what follows the last field is refused', (version) =>
    wrong(version, { rest: [text('more')] }),
  ),
  ...both('MQTT-3.1.3-3', 'MQTT-3.1.3-3', 'a CONNECT without a client id is refused', (version) => [
    raw('a', version, packet(0x10, text('MQTT'), version, 2, short(60), version === 5 ? properties() : [])),
    ended('a'),
  ]),
  ...both('MQTT-3.1.3-4', 'MQTT-3.1.3-4', 'a client id that is no UTF-8 is refused', (version) =>
    badText(version, Buffer.of(0x61, 0xff, 0x62)),
  ),
  ...both('MQTT-1.5.3-2', 'MQTT-1.5.4-2', 'a client id with U+0000 is refused', (version) =>
    badText(version, Buffer.of(0x61, 0x00, 0x62)),
  ),
  ...both('MQTT-1.5.3-1', 'MQTT-1.5.4-1', 'a client id with a surrogate is refused', (version) =>
    badText(version, Buffer.of(0xed, 0xa0, 0x80)),
  ),
  ...both('MQTT-1.5.3-1', 'MQTT-1.5.4-1', 'a client id in an overlong form is refused', (version) =>
    badText(version, Buffer.of(0xc0, 0xaf)),
  ),
  ...names.flatMap((fields, nth) =>
    both('MQTT-3.1.3-5', 'MQTT-3.1.3-5', `client id ${nth + 1} is let in`, (version) => [
      join('a', version, fields),
      quiet('a'),
    ]),
  ),
  caseOf('3.1.1', 'MQTT-3.1.3-6 MQTT-3.1.3-7', 'an empty client id with a clean session', [
    join('a', 4, { clientId: '' }),
  ]),
  caseOf('3.1.1', 'MQTT-3.1.3-8 MQTT-3.1.3-9', 'an empty client id without a clean session is refused with code 2', [
    refused('a', 4, { clientId: '', clean: false }),
  ]),
  caseOf('5.0', 'MQTT-3.1.3-6 MQTT-3.1.3-7 MQTT-3.2.2-16', 'an empty client id with a clean start', [
    join('a', 5, { clientId: '' }),
  ]),
  caseOf('5.0', 'MQTT-3.1.3-6', 'an empty client id without a clean start', [
    join('a', 5, { clientId: '', clean: false }),
  ]),
  ...both(
    'MQTT-3.1.4-4 MQTT-3.2.0-1',
    'MQTT-3.1.4-5 MQTT-3.2.0-1 MQTT-3.2.0-2',
    'CONNACK comes first, and once',
    (version) => [join('a', version), quiet('a')],
  ),
  ...both('MQTT-3.2.0-1', 'MQTT-3.2.0-1', 'what follows CONNECT at once is answered after CONNACK', (version) => [
    joinWith('a', version, {}, subscribeOf(version, 1, [[`${own}/a`, 1]]), publishOf(version, `${own}/a`, { qos: 1 })),
    see('a', 'SUBACK'),
    see('a', 'PUBACK'),
    see('a', 'PUBLISH'),
  ]),
  ...both('MQTT-3.1.4-4', 'MQTT-3.1.4-5', 'DISCONNECT right after CONNECT ends the connection', (version) => [
    joinWith('a', version, {}, packet(0xe0)),
    ended('a'),
  ]),
  ...both('MQTT-3.1.4-2', 'MQTT-3.1.4-3', 'another connection with the client id takes over', (version) => [
    join('a', version, { clientId: `${own}a` }),
    join('b', version, { clientId: `${own}a` }),
    ended('a'),
    quiet('b'),
  ]),
  caseOf('5.0', 'MQTT-3.1.4-3', 'MQTT 3.1.1 takes over from MQTT 5', [
    join('a', 5, { clientId: `${own}a` }),
    join('b', 4, { clientId: `${own}a` }),
    ended('a'),
    quiet('b'),
  ]),
  caseOf('3.1.1', 'MQTT-3.1.4-2', 'MQTT 5 takes over from MQTT 3.1.1', [
    join('a', 4, { clientId: `${own}a` }),
    join('b', 5, { clientId: `${own}a` }),
    ended('a'),
    quiet('b'),
  ]),
  ...both('MQTT-3.12.4-1', 'MQTT-3.12.4-1', 'PINGREQ is answered', (version) => [
    join('a', version),
    send('a', packet(0xc0)),
    see('a', 'PINGRESP'),
    send('a', packet(0xc0), packet(0xc0)),
    see('a', 'PINGRESP', 2),
  ]),
  ...both('MQTT-3.14.4-1', 'MQTT-3.14.4-2', 'DISCONNECT ends the connection', (version) => [
    join('a', version),
    leave('a'),
  ]),
  ...both('MQTT-3.14.4-2', 'MQTT-3.14.4-1', 'what follows DISCONNECT is not dealt with', (version) => [
    join('b', version),
    subscribed('b', version, [[`${own}/#`, 0]]),
    join('a', version),
    send('a', octets(packet(0xe0), publishOf(version, `${own}/late`))),
    ended('a'),
    quiet('b'),
  ]),
  takes('MQTT-3.1.2-23', 'a session that expires is taken', property.session(60)),
  takes('MQTT-3.1.2-23', 'a session that never expires is taken', property.session(0xffffffff)),
  takes('MQTT-4.9.0-1', 'a Receive Maximum is taken', property.receive(1)),
  takes('MQTT-3.1.2-24', 'a Maximum Packet Size is taken', property.packet(100)),
  takes('MQTT-3.1.2-26', 'a Topic Alias Maximum is taken', property.aliases(5)),
  takes('MQTT-3.1.2-28', 'no Response Information is given to whom does not ask', property.information(0)),
  takes('MQTT-3.1.2-28', 'Request Response Information is taken', property.information(1)),
  takes('MQTT-3.1.2-29', 'Request Problem Information is taken', property.problems(0)),
  takes('MQTT-1.5.7-1', 'User Properties are taken, also repeated', property.user('a', 'b'), property.user('a', 'c')),
  takes(
    'MQTT-3.1.3-1',
    'all properties together are taken',
    property.session(10),
    property.receive(10),
    property.packet(100_000),
    property.aliases(3),
    property.information(1),
    property.problems(1),
    property.user('k', 'v'),
  ),
  blockOf('MQTT-3.1.4-1', 'Session Expiry twice is refused', property.session(1), property.session(2)),
  blockOf('MQTT-3.1.4-1', 'a Receive Maximum of 0 is refused', property.receive(0)),
  blockOf('MQTT-3.1.4-1', 'Receive Maximum twice is refused', property.receive(1), property.receive(1)),
  blockOf('MQTT-3.1.4-1', 'a Maximum Packet Size of 0 is refused', property.packet(0)),
  blockOf('MQTT-3.1.4-1', 'Maximum Packet Size twice is refused', property.packet(99), property.packet(99)),
  blockOf('MQTT-3.1.4-1', 'Topic Alias Maximum twice is refused', property.aliases(1), property.aliases(1)),
  blockOf('MQTT-3.1.4-1', 'Request Response Information 2 is refused', property.information(2)),
  blockOf('MQTT-3.1.4-1', 'Request Problem Information 2 is refused', property.problems(2)),
  blockOf('MQTT-3.1.4-1', 'a property that belongs to PUBLISH is refused', property.alias(1)),
  blockOf('MQTT-3.1.4-1', 'a property that belongs to the will is refused', property.willDelay(1)),
  blockOf('MQTT-3.1.4-1', 'a property that there is not is refused', octets(0x7f, 1)),
  blockOf('MQTT-3.1.4-1', 'Authentication Data without a method is refused', property.methodData('d')),
  blockOf('MQTT-3.1.4-1', 'a property that ends outside is refused', octets(0x11, 0, 0)),
  blockOf('MQTT-1.5.7-1', 'a User Property that is no UTF-8 is refused', property.user(Buffer.of(0xff), 'v')),
  caseOf('5.0', 'MQTT-3.1.4-1', 'properties longer than the packet are refused', [
    wrong(5, { block: octets(0xff, 0x7f) }),
  ]),
  caseOf('5.0', 'MQTT-1.5.5-1', 'a length of properties in a longer form than needed is refused', [
    wrong(5, { block: octets(0x85, 0x00, 0x11, long(1)) }),
  ]),
  caseOf('5.0', 'MQTT-3.1.4-6', 'what follows a CONNECT that is refused is not dealt with', [
    join('b', 5),
    subscribed('b', 5, [[`${own}/#`, 0]]),
    raw('a', 5, written(5, { flags: 3 }), publishOf(5, `${own}/late`)),
    ended('a'),
    quiet('b'),
  ]),
  caseOf('3.1.1', 'MQTT-3.1.4-5', 'what follows a CONNECT that is refused is not dealt with', [
    join('b', 4),
    subscribed('b', 4, [[`${own}/#`, 0]]),
    raw('a', 4, written(4, { level: 2 }), publishOf(4, `${own}/late`)),
    ended('a'),
    quiet('b'),
  ]),
  caseOf('3.1', 'MQTT-3.1', 'MQIsdp of level 3 is let in', [
    join('a', 3),
    subscribed('a', 3, [[`${own}/#`, 1]]),
    published('a', 3, `${own}/a`, { qos: 1 }),
    see('a', 'PUBLISH'),
    leave('a'),
  ]),
  caseOf('3.1', 'MQTT-3.1', 'the name of one version with the level of another is refused', [
    raw('a', 4, packet(0x10, text('MQIsdp'), 4, 2, short(60), text(`${own}a`))),
    ended('a'),
  ]),
];
