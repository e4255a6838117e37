import { describe, expect, it } from 'vitest';
import { createDesk, hex } from '../../../support/edge/desk.js';
import { allow, deny } from '../../../support/edge/gate.js';
import { packet, properties, short, text } from '../../../support/edge/packets.js';

const statements = [
  allow(['connect'], ['client:${thing.name}']),
  allow(['publish', 'subscribe'], ['topic:acme/${thing.name}/#']),
  allow(['publish'], ['topic:acme/all'], { qos: [1], retain: false }),
  deny(['publish'], ['topic:acme/${thing.name}/secret']),
];
const four = {};
const five = { version: 5 as const };

async function joined(fields = {}, settings = {}, answer?: Buffer) {
  const desk = createDesk({ statements, settings });
  await desk.join(fields, answer);
  return desk;
}

describe('acknowledgements of a client', () => {
  it.each([3, 4, 5] as const)('of MQTT %i pass', async (version) => {
    const desk = await joined({ version });
    const packets = [
      packet(0x40, short(1)),
      packet(0x50, short(2)),
      packet(version === 3 ? 0x6a : 0x62, short(3)),
      packet(0x70, short(4)),
      ...(version === 5
        ? [
            packet(0x40, short(1), 0x10),
            packet(0x50, short(2), 0x87, properties(0x1f, text('no'))),
            packet(0x62, short(3), 0x92),
          ]
        : []),
      packet(0xc0),
    ];
    await desk.send(...packets);
    expect(desk.toBroker()).toBe(hex(...packets));
  });

  it.each([
    ['identifier 0', four, packet(0x40, short(0)), 0x81],
    ['no identifier', four, packet(0x40), 0x81],
    ['too much', four, packet(0x40, short(1), 0), 0x81],
    ['flags', four, packet(0x41, short(1)), 0x81],
    ['no flags on PUBREL', four, packet(0x60, short(1)), 0x81],
    ['DUP on PUBREL', four, packet(0x6a, short(1)), 0x81],
    ['a code of another packet', five, packet(0x62, short(1), 0x87), 0x82],
    ['a code that is none', five, packet(0x40, short(1), 0x01), 0x82],
    ['octets after its properties', five, packet(0x40, short(1), 0, 0, 0), 0x81],
    ['a property of CONNECT', five, packet(0x40, short(1), 0, properties(0x21, short(1))), 0x81],
    ['type 0', four, packet(0x00), 0x81],
    ['type 15 in MQTT 3.1.1', four, packet(0xf0), 0x82],
    ['PINGREQ with a body', four, packet(0xc0, 0), 0x81],
    ['PINGREQ with flags', four, packet(0xc1), 0x81],
    ['CONNACK', four, packet(0x20, 0, 0), 0x82],
    ['SUBACK', four, packet(0x90, short(1), 0), 0x82],
    ['UNSUBACK', four, packet(0xb0, short(1)), 0x82],
    ['PINGRESP', four, packet(0xd0), 0x82],
  ])('with %s end the connection', async (_name, fields, bytes, code) => {
    const desk = await joined(fields);
    await desk.send(bytes);
    await desk.advance(3000);
    expect([desk.toBroker(), desk.ended()?.code]).toEqual(['', code]);
  });
});
