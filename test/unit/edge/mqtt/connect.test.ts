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
    [
      'a will with a wildcard in its Response Topic',
      connect({ ...five, will: { topic: 'acme/pump/x', properties: properties(0x08, text('acme/pump/#')) } }),
      '900',
    ],
    [
      'a will with an empty Response Topic',
      connect({ ...five, will: { topic: 'acme/pump/x', properties: properties(0x08, text('')) } }),
      '900',
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

it('writes lengths in their shortest form', () => {
  expect([0, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152].map((value) => varint(value).length)).toEqual([
    1, 1, 2, 2, 3, 3, 4,
  ]);
});
