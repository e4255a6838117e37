import { describe, expect, it } from 'vitest';
import { allow } from '../../../support/edge/gate.js';
import { createDesk, hex, settle } from '../../../support/edge/desk.js';
import {
  connack,
  connect,
  long,
  octets,
  packet,
  properties,
  publish,
  short,
  text,
  varint,
} from '../../../support/edge/packets.js';

const own = [
  allow(['connect'], ['client:${thing.name}']),
  allow(['publish', 'subscribe', 'receive'], ['topic:acme/${thing.name}/#']),
];
const five = { version: 5 as const };
const method = octets(0x15, text('thingward'));

describe('CONNECT', () => {
  it('goes to the broker with its credentials, and no octet before it is judged', async () => {
    const desk = createDesk();
    await desk.send(connect().subarray(0, 20));
    expect(desk.brokers).toHaveLength(0);
    await desk.send(connect().subarray(20));
    expect(desk.toBroker()).toBe(hex(connect({ username: 'edge', password: 'secret' })));
    await desk.deliver(connack());
    expect(desk.toClient()).toBe(hex(connack()));
    expect(desk.opened[0]).toMatchObject({ clientId: 'pump', version: 4 });
  });

  it.each([3, 4, 5] as const)('of version %i keeps client id, will, keep-alive and properties', async (version) => {
    const desk = createDesk();
    const fields = {
      version,
      clean: false,
      keepAlive: 7,
      will: { topic: 'acme/gone', payload: 'w', qos: 1, retain: true, properties: properties(0x18, long(9), 0x01, 1) },
      properties: properties(0x11, long(60), 0x22, short(10), method, 0x16, text('pump'), 0x26, text('k'), text('v')),
    };
    await desk.send(connect(fields));
    expect(desk.toBroker()).toBe(
      hex(
        connect({
          ...fields,
          username: 'edge',
          password: 'secret',
          will: { ...fields.will, properties: properties(0x01, 1) },
          properties: properties(0x11, long(60), 0x26, text('k'), text('v')),
        }),
      ),
    );
  });

  it('has no credentials upstream where none are set', async () => {
    const desk = createDesk({ upstream: () => ({}) });
    await desk.send(connect());
    expect(desk.toBroker()).toBe(hex(packet(0x10, text('MQTT'), 4, 2, short(60), text('pump'))));
  });

  const refused: [string, Buffer, string][] = [
    ['another protocol', packet(0x10, text('MQXX'), 4, 2, short(60), text('pump')), ''],
    ['level 6', packet(0x10, text('MQTT'), 6, 2, short(60), 0, text('pump')), '840'],
    ['level 2', packet(0x10, text('MQTT'), 2, 2, short(60), text('pump')), '20020001'],
    ['a bridge of Mosquitto', packet(0x10, text('MQIsdp'), 0x83, 2, short(60), text('pump')), '840'],
    ['another packet first', publish('a'), ''],
    ['an empty client id', connect({ clientId: '' }), '20020002'],
    ['an empty client id of MQTT 5', connect({ ...five, clientId: '' }), '850'],
    ['a client id of another thing', connect({ clientId: 'pump2' }), '20020005'],
    ['a client id of another thing in MQTT 5', connect({ ...five, clientId: 'pump2' }), '870'],
    ['a token that is none', connect({ password: 'wrong' }), '20020005'],
    ['no token', connect({ password: '' }), '20020005'],
    ['a will to the topic of another', connect({ will: { topic: 'acme/other/x' } }), '20020005'],
    ['the same in MQTT 5', connect({ ...five, will: { topic: 'acme/other/x' } }), '870'],
    [
      'a will with a Response Topic of another',
      connect({ ...five, will: { topic: 'acme/pump/x', properties: properties(0x08, text('acme/other/x')) } }),
      '870',
    ],
    ['a will with a wildcard', connect({ ...five, will: { topic: 'acme/pump/#' } }), '900'],
    ['another method', connect({ ...five, properties: properties(0x15, text('SCRAM-SHA-1')) }), '8c0'],
    ['the reserved flag', packet(0x10, text('MQTT'), 4, 3, short(60), text('pump')), ''],
    ['a will of QoS 3', packet(0x10, text('MQTT'), 4, 0x1e, short(60), text('pump'), text('a'), text('b')), ''],
    ['a retained will without a will', packet(0x10, text('MQTT'), 4, 0x22, short(60), text('pump')), ''],
    ['a password without a username', packet(0x10, text('MQTT'), 4, 0x42, short(60), text('pump'), text('pump')), ''],
    ['octets after its end', packet(0x10, text('MQTT'), 4, 2, short(60), text('pump'), 0), ''],
    ['no password where one is announced', packet(0x10, text('MQTT'), 4, 0xc2, short(60), text('pump'), text('u')), ''],
    ['U+0000 in the client id', connect({ ...five, clientId: 'pu\0mp' }), '810'],
    [
      'a surrogate in the client id',
      packet(0x10, text('MQTT'), 5, 2, short(60), 0, text(Buffer.of(0xed, 0xa0, 0x80))),
      '810',
    ],
    ['a Receive Maximum of 0', connect({ ...five, properties: properties(0x21, short(0)) }), '820'],
    ['a Maximum Packet Size of 0', connect({ ...five, properties: properties(0x27, long(0)) }), '820'],
    ['Request Problem Information of 2', connect({ ...five, properties: properties(0x17, 2) }), '820'],
    ['a property twice', connect({ ...five, properties: properties(0x21, short(1), 0x21, short(1)) }), '820'],
    ['a property of PUBLISH', connect({ ...five, properties: properties(0x23, short(1)) }), '810'],
    ['a property that is none', connect({ ...five, properties: properties(0x7f, 0) }), '810'],
    ['Authentication Data without a method', connect({ ...five, properties: properties(0x16, text('pump')) }), '820'],
    ['properties that end outside', packet(0x10, text('MQTT'), 5, 2, short(60), 0x7f, text('pump')), '810'],
    ['flags in its header', octets(0x11, connect().subarray(1)), ''],
  ];
  it.each(refused)('is refused with %s', async (_name, bytes, answer) => {
    const desk = createDesk({ statements: own });
    await desk.send(bytes);
    const got = desk.toClient();
    // 840: a CONNACK of MQTT 5 with this reason code. Else the whole packet, or nothing.
    if (answer.length === 3) expect(got.slice(4, 8)).toBe(`00${answer.slice(0, 2)}`);
    else expect(got).toBe(answer);
    expect(desk.brokers).toHaveLength(0);
    await desk.advance(3000);
    expect(desk.client.near.destroyed).toBe(true);
    await desk.connection.closed;
    expect(desk.errors).toEqual([]);
  });

  it('that says wrong things about its own length is malformed', async () => {
    for (const bytes of [octets(0x10, 0xff, 0xff, 0xff, 0xff, 1), octets(0x10, 0xff, 0xff, 0xff, 0xff)]) {
      const desk = createDesk();
      await desk.send(bytes);
      expect(desk.ended()?.code).toBe(0x81);
    }
    const desk = createDesk();
    // Five octets of length would be 268 MB: more than any packet may have.
    await desk.send(octets(0x10, 0xff, 0xff, 0xff, 0x7f));
    expect(desk.ended()?.code).toBe(0x95);
  });

  it('of MQTT 5 has the shortest form of its length', async () => {
    const whole = connect(five);
    const longer = octets(0x10, whole[1]! | 0x80, 0, whole.subarray(2));
    const desk = createDesk();
    await desk.send(longer);
    expect(desk.ended()?.code).toBe(0x81);
    const four = connect();
    const other = createDesk();
    await other.send(octets(0x10, four[1]! | 0x80, 0, four.subarray(2)));
    expect(other.brokers).toHaveLength(1);
  });

  it('has to come in time, and the answer of the broker too', async () => {
    const silent = createDesk();
    await silent.send(connect().subarray(0, 5));
    await silent.advance(10_000);
    expect([silent.client.near.destroyed, silent.toClient()]).toEqual([true, '']);
    const unanswered = createDesk();
    await unanswered.send(connect());
    await unanswered.advance(9_999);
    expect(unanswered.client.isClosed()).toBe(false);
    await unanswered.advance(1);
    expect(unanswered.toClient()).toBe('20020003');
  });

  it('is refused for a time while nobody can decide or the broker is away', async () => {
    for (const [version, answer] of [
      [4, '20020003'],
      [5, '0088'],
    ] as const) {
      const away = createDesk();
      away.gate.goAway({ barred: 'away', detail: 'no answer' });
      await away.send(connect({ version }));
      expect(away.toClient()).toContain(answer);
      const unreachable = createDesk({ isUnreachable: true });
      await unreachable.send(connect({ version }));
      expect(unreachable.toClient()).toContain(answer);
    }
  });

  it('names no reason where the client takes no larger packet', async () => {
    const desk = createDesk({ statements: own });
    await desk.send(connect({ ...five, clientId: 'x', properties: properties(0x27, long(10)) }));
    expect(desk.toClient()).toBe('2003008700');
  });

  it('comes once', async () => {
    const desk = createDesk();
    await desk.join(five);
    await desk.send(connect(five));
    expect(desk.toClient()).toMatch(/^e0..82/);
    expect(desk.toBroker()).toBe('');
  });

  it('of a device that is revoked meanwhile never becomes a session', async () => {
    const desk = createDesk();
    await desk.send(connect({ ...five, will: { topic: 'a' } }));
    desk.gate.revoke('pump');
    desk.toBroker();
    await desk.deliver(connack(0, { properties: properties() }));
    expect(desk.toClient()).toMatch(/^20..0098/);
    expect(desk.toBroker()).toBe('e000');
    await settle();
  });
});

describe('the method thingward', () => {
  it('takes the token from its data, else from the password, and is named in CONNACK', async () => {
    for (const fields of [
      { properties: properties(method, 0x16, text('pump')), password: 'x' },
      { properties: properties(method), password: 'pump' },
    ]) {
      const desk = createDesk();
      await desk.send(connect({ ...five, ...fields }));
      expect(desk.toBroker()).not.toContain('7468696e6777617264');
      await desk.deliver(connack(0, { properties: properties() }));
      expect(desk.toClient()).toContain(method.toString('hex'));
    }
  });

  const auth = (code: number, token: string, name = 'thingward') =>
    packet(0xf0, code, properties(0x15, text(name), 0x16, text(token)));
  const withMethod = { ...five, properties: properties(method, 0x16, text('pump 1')), password: 'x' };

  it('authenticates again', async () => {
    const desk = createDesk();
    await desk.join(withMethod);
    desk.gate.expireAt(desk.clock.wall() + 60_000);
    await desk.send(auth(0x19, 'pump 2'), publish('a', { properties: properties() }));
    expect(desk.toClient()).toBe(hex(packet(0xf0, 0, properties(method))));
    expect(desk.toBroker()).toBe(hex(publish('a', { properties: properties() })));
    await desk.advance(60_000);
    expect(desk.ended()?.code).toBe(0xa0);
  });

  it.each([
    ['another thing', auth(0x19, 'valve'), '87'],
    ['a token that is none', auth(0x19, 'wrong'), '87'],
    ['nothing', packet(0xf0, 0x19, properties(method)), '87'],
    ['another method', auth(0x19, 'pump', 'x'), '82'],
    ['an answer to no question', auth(0x18, 'pump'), '82'],
    ['a success of its own', auth(0x00, 'pump'), '82'],
    ['no reason code', packet(0xf0), '82'],
  ])('ends with %s', async (_name, bytes, code) => {
    const desk = createDesk();
    await desk.join(withMethod);
    await desk.send(bytes);
    expect(desk.toClient()).toMatch(new RegExp(`^e0..${code}`));
    expect(desk.toBroker()).toBe('');
    expect(desk.ended()?.code).toBe(parseInt(code, 16));
  });

  it('is a fault where CONNECT did not name it', async () => {
    const desk = createDesk();
    await desk.join(five);
    await desk.send(auth(0x19, 'pump'));
    expect(desk.toClient()).toMatch(/^e0..82/);
    const four = createDesk();
    await four.join();
    await four.send(auth(0x19, 'pump'));
    expect(four.ended()?.code).toBe(0x82);
  });
});

describe('CONNACK', () => {
  const answered = async (block: Buffer, fields = {}, settings = {}) => {
    const desk = createDesk({ settings });
    await desk.send(connect({ ...five, ...fields }));
    await desk.deliver(connack(0, { properties: block }));
    return desk.toClient();
  };
  const is = (...pieces: Parameters<typeof properties>) => hex(connack(0, { properties: properties(...pieces) }));
  const size = (value: number) => octets(0x27, long(value));

  it('offers no more than the broker, and no more than the limits', async () => {
    const limits = { topicAliases: 5, receiveMaximum: 20, keepAlive: 30 };
    expect(await answered(properties())).toBe(is(size(262_144)));
    expect(await answered(properties(0x21, short(10), 0x22, short(3), 0x13, short(9)), {}, limits)).toBe(
      is(0x21, short(10), 0x13, short(9), 0x22, short(3), size(262_144)),
    );
    expect(await answered(properties(0x22, short(30), 0x24, 1), {}, limits)).toBe(
      is(0x24, 1, 0x21, short(20), 0x13, short(30), 0x22, short(5), size(262_144)),
    );
    expect(await answered(properties(), { keepAlive: 0 }, limits)).toBe(
      is(0x21, short(20), 0x13, short(30), size(262_144)),
    );
  });

  it('leaves room for the topic that an alias stands for', async () => {
    expect(await answered(properties(size(100_000)))).toBe(is(size(100_000)));
    expect(await answered(properties(size(100_000), 0x22, short(2)))).toBe(is(0x22, short(2), size(34_465)));
    // Where little room would remain, there are no aliases.
    expect(await answered(properties(size(70_000), 0x22, short(2)))).toBe(is(size(70_000)));
  });

  it('that refuses passes, and the client does not hear of the credentials of the edge', async () => {
    for (const [version, sent, got] of [
      [5, connack(0x97, { properties: properties() }), connack(0x97, { properties: properties() })],
      [5, connack(0x86, { properties: properties() }), connack(0x88, { properties: properties() })],
      [4, connack(5), connack(5)],
      [4, connack(4), connack(3)],
    ] as const) {
      const desk = createDesk();
      await desk.send(connect({ version }));
      await desk.deliver(sent);
      expect(desk.toClient()).toBe(hex(got));
      expect(desk.client.isClosed()).toBe(true);
    }
  });

  it('comes first and once, and a broker that closes instead is away', async () => {
    const early = createDesk();
    await early.send(connect());
    await early.deliver(publish('a'));
    expect(early.toClient()).toBe('20020003');
    const twice = createDesk();
    await twice.join(five);
    await twice.deliver(connack(0, { properties: properties() }));
    expect(twice.toClient()).toMatch(/^e0..80/);
    const closing = createDesk();
    await closing.send(connect());
    closing.broker().close();
    await settle();
    expect(closing.toClient()).toBe('20020003');
  });
});

it('writes lengths in their shortest form', () => {
  expect([0, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152].map((value) => varint(value).length)).toEqual([
    1, 1, 2, 2, 3, 3, 4,
  ]);
});
