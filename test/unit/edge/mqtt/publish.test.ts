import { describe, expect, it } from 'vitest';
import { createDesk, hex } from '../../../support/edge/desk.js';
import { allow, deny } from '../../../support/edge/gate.js';
import { connack, octets, packet, properties, publish, short, text } from '../../../support/edge/packets.js';

const statements = [
  allow(['connect'], ['client:${thing.name}']),
  allow(['publish', 'subscribe'], ['topic:acme/${thing.name}/#']),
  allow(['publish'], ['topic:acme/all'], { qos: [1], retain: false }),
  deny(['publish'], ['topic:acme/${thing.name}/secret']),
];
const four = {};
const five = { version: 5 as const };
const none = properties();
const own = 'acme/pump/t';
const other = 'acme/valve/t';

async function joined(fields = {}, settings = {}, answer?: Buffer) {
  const desk = createDesk({ statements, settings });
  await desk.join(fields, answer);
  return desk;
}

describe('PUBLISH of a client', () => {
  it('reaches the broker as the octets that were judged', async () => {
    const desk = await joined();
    const packets = [
      publish(own),
      publish(own, { qos: 1, id: 7, retain: true, payload: Buffer.alloc(70_000, 1) }),
      publish(own, { qos: 2, id: 8, duplicate: true, payload: '' }),
      publish('acme/pump/é/漢/𝄞'),
    ];
    await desk.send(...packets);
    expect(desk.toBroker()).toBe(hex(...packets));
    expect(desk.toClient()).toBe('');
  });

  it('is written in one piece with those beside it', async () => {
    const desk = await joined();
    const packets = Array.from({ length: 100 }, (_, id) => publish(own, { qos: 1, id: id + 1 }));
    await desk.send(Buffer.concat([...packets.slice(0, 50), ...packets.slice(50)]));
    expect(desk.broker().received).toHaveLength(1);
    expect(desk.toBroker()).toBe(hex(...packets));
  });

  it('is judged once for a topic, QoS and RETAIN, until something changes', async () => {
    const desk = await joined();
    const before = desk.gate.asked.length;
    await desk.send(...Array.from({ length: 50 }, () => publish(own)), publish(own, { retain: true }));
    expect(desk.gate.asked.slice(before).map(({ ask }) => ask.context)).toEqual([
      { sourceIp: '10.0.0.1', protocol: 'mqtts', clientId: 'pump', qos: 0, retain: false },
      { sourceIp: '10.0.0.1', protocol: 'mqtts', clientId: 'pump', qos: 0, retain: true },
    ]);
    desk.gate.grant([allow(['connect'], ['client:${thing.name}']), deny(['publish'], ['topic:#'])]);
    expect(desk.opened[0]!.recheck()).toBeUndefined();
    desk.toBroker();
    await desk.send(publish(own));
    expect([desk.toBroker(), desk.ended()?.code]).toEqual(['', 0x87]);
  });

  it('is judged with its QoS and RETAIN', async () => {
    const desk = await joined(five);
    const good = publish('acme/all', { qos: 1, properties: none });
    await desk.send(
      good,
      publish('acme/all', { qos: 0, properties: none }),
      publish('acme/all', { qos: 1, retain: true, properties: none }),
    );
    expect([desk.toBroker(), desk.toClient()]).toEqual([hex(good), '4003000187']);
  });

  it.each([
    ['refuse', 5, '4003000187' + '5003000287', ''],
    ['drop', 5, '40020001' + '50020002', '70020002'],
    ['drop', 4, '40020001' + '50020002', '70020002'],
    ['drop', 3, '40020001' + '50020002', '70020002'],
  ] as const)(
    'that is denied, with %s and MQTT %i, leaves no octet at the broker',
    async (deniedPublish, version, answer, complete) => {
      const desk = await joined({ version }, { deniedPublish });
      const block = version === 5 ? { properties: none } : {};
      await desk.send(
        publish(other, block),
        publish(other, { qos: 1, id: 1, ...block }),
        publish(other, { qos: 2, id: 2, ...block }),
      );
      expect([desk.toBroker(), desk.toClient()]).toEqual(['', answer]);
      expect(desk.denials.map(({ reason, ask }) => [reason, ask?.resource])).toEqual(
        Array(3).fill(['no-matching-statement', `topic:${other}`]),
      );
      await desk.send(packet(0x62, short(2)));
      // The edge alone answers the PUBREL of what it dropped.
      expect([desk.toBroker(), desk.toClient()]).toEqual(complete ? ['', complete] : ['62020002', '']);
      const next = publish(own, block);
      await desk.send(next);
      expect(desk.toBroker()).toBe(hex(next));
    },
  );

  it.each([
    ['refuse', four, ''],
    ['disconnect', four, ''],
    ['disconnect', five, '87'],
  ] as const)('that is denied ends the connection with %s', async (deniedPublish, fields, code) => {
    const desk = await joined(fields, { deniedPublish });
    const block = 'version' in fields ? { properties: none } : {};
    await desk.send(publish(own, block), publish('acme/pump/secret', block), publish(own, block));
    // What came before it had been judged; what came after it has not.
    expect(desk.toBroker()).toBe(hex(publish(own, block)));
    expect(desk.toClient().slice(4, 6)).toBe(code);
    expect(desk.broker().isClosed()).toBe(true);
    expect(desk.ended()?.code ?? 0x87).toBe(0x87);
  });

  it('with QoS 2 that the broker has already, and that is denied now, ends the connection', async () => {
    const fresh = await joined(five);
    const first = publish(own, { qos: 2, id: 5, properties: none });
    await fresh.send(first);
    fresh.gate.grant(statements.slice(0, 1));
    expect(fresh.opened[0]!.recheck()).toBeUndefined();
    await fresh.send(publish(own, { qos: 2, id: 6, properties: none }));
    expect(fresh.toClient()).toBe('5003000687');
    await fresh.send(publish(own, { qos: 2, id: 5, duplicate: true, properties: none }));
    expect(fresh.toClient()).toMatch(/^e0..87/);
    expect(fresh.toBroker()).toBe(hex(first));
    // The broker has it from an earlier connection of the session.
    const resumed = await joined({ ...five, clean: false }, {}, connack(0, { present: true, properties: none }));
    await resumed.send(publish(other, { qos: 2, id: 5, duplicate: true, properties: none }));
    expect(resumed.toClient()).toMatch(/^e0..87/);
    const anew = await joined({ ...five, clean: false });
    await anew.send(publish(other, { qos: 2, id: 5, duplicate: true, properties: none }));
    expect(anew.toClient()).toBe('5003000587');
  });

  it('with QoS 2 that was dropped, and is allowed now, is released by the broker', async () => {
    const desk = await joined({}, { deniedPublish: 'drop' });
    const release = packet(0x62, short(5));
    await desk.send(publish(other, { qos: 2, id: 5 }), publish(own, { qos: 2, id: 5 }), release);
    expect(desk.toBroker()).toBe(hex(publish(own, { qos: 2, id: 5 }), release));
  });

  it('with QoS 2 is over once the broker completed or refused it', async () => {
    const desk = await joined(five);
    await desk.send(...[5, 6].map((id) => publish(own, { qos: 2, id, properties: none })));
    await desk.deliver(packet(0x50, short(5)), packet(0x50, short(6), 0x97));
    await desk.send(packet(0x62, short(5)));
    await desk.deliver(packet(0x70, short(5)));
    expect(desk.toClient()).toBe('50020005' + '5003000697' + '70020005');
    await desk.send(...[5, 6].map((id) => publish(other, { qos: 2, id, duplicate: true, properties: none })));
    expect(desk.toClient()).toBe('5003000587' + '5003000687');
  });

  const malformed: [string, object, Buffer, number][] = [
    ['QoS 3', four, octets(0x36, 3, text('a'), 1), 0x81],
    ['DUP with QoS 0', four, octets(0x38, 3, text('a')), 0x81],
    ['packet identifier 0', four, publish(own, { qos: 1, id: 0 }), 0x81],
    ['no packet identifier', four, packet(0x32, text('a')), 0x81],
    ['a topic that ends outside', four, packet(0x30, short(9), 'a'), 0x81],
    ['no room for a topic', four, packet(0x30, 0), 0x81],
    ['an empty topic', four, publish(''), 0x90],
    ['+ in its topic', four, publish('acme/+/t'), 0x90],
    ['# in its topic', four, publish('acme/pump/#'), 0x90],
    ['$share', four, publish('$share/g/acme/pump/t'), 0x90],
    ['U+0000', four, publish('acme/pump/\0'), 0x81],
    ['an overlong slash', four, publish(octets('acme', 0xc0, 0xaf, 'pump/t')), 0x81],
    ['a longer overlong slash', four, publish(octets('acme', 0xe0, 0x80, 0xaf, 'pump/t')), 0x81],
    ['a surrogate', four, publish(octets('acme/pump/', 0xed, 0xa0, 0x80)), 0x81],
    ['a character above U+10FFFF', four, publish(octets('acme/pump/', 0xf4, 0x90, 0x80, 0x80)), 0x81],
    ['half a character', four, publish(octets('acme/pump/', 0xe2, 0x82)), 0x81],
    ['a packet that is too large', four, publish(own, { payload: Buffer.alloc(262_144) }), 0x95],
    ['no properties', five, packet(0x30, text(own)), 0x81],
    ['properties that end outside', five, packet(0x30, text(own), 9, 'x'), 0x81],
    ['a Subscription Identifier', five, publish(own, { properties: properties(0x0b, 1) }), 0x82],
    ['a property of CONNECT', five, publish(own, { properties: properties(0x11, 0, 0, 0, 1) }), 0x81],
    ['a property twice', five, publish(own, { properties: properties(0x01, 1, 0x01, 1) }), 0x82],
    ['Payload Format 2', five, publish(own, { properties: properties(0x01, 2) }), 0x82],
    [
      'a Content Type that is no text',
      five,
      publish(own, { properties: properties(0x03, text(Buffer.of(0xff))) }),
      0x81,
    ],
    [
      'a Response Topic with a wildcard',
      five,
      publish(own, { properties: properties(0x08, text('acme/pump/+')) }),
      0x90,
    ],
    ['an empty Response Topic', five, publish(own, { properties: properties(0x08, text('')) }), 0x90],
    ['Topic Alias 0', five, publish(own, { properties: properties(0x23, short(0)) }), 0x94],
    ['a Topic Alias where there are none', five, publish(own, { properties: properties(0x23, short(1)) }), 0x94],
    ['neither topic nor alias', five, publish('', { properties: none }), 0x82],
    ['a length that is not the shortest', five, octets(0x30, 0x86, 0x00, text('a/b'), 0), 0x81],
  ];
  it.each(malformed)(
    'with %s ends the connection, and nothing of it reaches the broker',
    async (_name, fields, bytes, code) => {
      const desk = await joined(fields);
      await desk.send(bytes);
      await desk.advance(3000);
      expect([desk.toBroker(), desk.ended()?.code]).toEqual(['', code]);
      const told = desk.toClient();
      if ('version' in fields) expect(parseInt(told.slice(4, 6), 16)).toBe(code);
      else expect(told).toBe('');
      expect(desk.errors).toEqual([]);
    },
  );

  it('passes with its properties', async () => {
    const desk = await joined(five);
    const whole = publish(own, {
      qos: 1,
      properties: properties(
        0x01,
        1,
        0x02,
        0,
        0,
        0,
        9,
        0x03,
        text('x'),
        0x08,
        text('acme/pump/r'),
        0x09,
        text('c'),
        0x26,
        text('k'),
        text('v'),
        0x26,
        text('k'),
        text('v'),
      ),
    });
    await desk.send(whole);
    expect(desk.toBroker()).toBe(hex(whole));
  });

  it('asks for no answer on a topic that the device may not subscribe to', async () => {
    const desk = await joined(five);
    const asks = (topic: string, id: number) => publish(own, { qos: 1, id, properties: properties(0x08, text(topic)) });
    await desk.send(asks('acme/valve/r', 1), asks('acme/pump/r', 2), asks('acme/valve/r', 3));
    expect([desk.toBroker(), desk.toClient()]).toEqual([hex(asks('acme/pump/r', 2)), '4003000187' + '4003000387']);
    expect(desk.denials[0]!.ask).toMatchObject({ action: 'subscribe', resource: 'topic:acme/valve/r' });
  });
});
