import { describe, expect, it } from 'vitest';
import { createDesk, hex, settle } from '../../../support/edge/desk.js';
import { allow, deny } from '../../../support/edge/gate.js';
import { octets, packet, properties, publish, short, subscribe, text } from '../../../support/edge/packets.js';

const statements = [
  allow(['connect'], ['client:${thing.name}']),
  allow(['publish', 'subscribe', 'receive'], ['topic:acme/${thing.name}/#']),
  allow(['receive'], ['topic:acme/live'], { retain: false }),
  deny(['receive'], ['topic:acme/${thing.name}/secret']),
];
const five = { version: 5 as const };
const none = properties();
const own = 'acme/pump/t';
const secret = 'acme/pump/secret';

async function joined(fields = {}, settings = {}) {
  const desk = createDesk({ statements, settings });
  await desk.join(fields);
  return desk;
}

describe('a delivery', () => {
  it.each([3, 4, 5] as const)('of MQTT %i reaches a device that may receive it, as it is', async (version) => {
    const desk = await joined({ version });
    const block = version === 5 ? { properties: properties(0x0b, 1, 0x0b, 2, 0x26, text('k'), text('v')) } : {};
    const packets = [
      publish(own, block),
      publish(own, { qos: 1, id: 3, retain: true, ...block }),
      publish(own, { qos: 2, id: 4, duplicate: true, ...block }),
    ];
    await desk.deliver(Buffer.concat(packets));
    expect([desk.toClient(), desk.toBroker()]).toEqual([hex(...packets), '']);
    await desk.deliver(packet(0x62, short(4)));
    expect(desk.toClient()).toBe('62020004');
  });

  it('that may not be received is answered by the edge alone', async () => {
    const desk = await joined();
    await desk.deliver(
      publish(secret),
      publish(secret, { qos: 1, id: 3 }),
      publish('acme/other', { qos: 2, id: 4, payload: Buffer.alloc(1000) }),
      packet(0x62, short(4)),
      packet(0x62, short(4)),
    );
    expect(desk.toBroker()).toBe('40020003' + '50020004' + '70020004');
    // The second PUBREL is nothing that the edge knows of.
    expect(desk.toClient()).toBe('62020004');
    const newer = await joined(five);
    await newer.deliver(
      publish(secret, { qos: 1, id: 3, properties: none }),
      publish(secret, { qos: 2, id: 4, properties: none }),
    );
    expect([newer.toBroker(), newer.toClient()]).toEqual(['40020003' + '5003000487', '']);
  });

  it('is refused by PUBREC only while the window of the client has other places', async () => {
    const answersTo = async (fields: object): Promise<string[]> => {
      const desk = await joined({ ...five, ...fields });
      await desk.deliver(...[1, 2, 3, 4, 5, 6].map((id) => publish(secret, { qos: 2, id, properties: none })));
      const answers = desk.toBroker().match(/50(?:02....|03......)/g) ?? [];
      await desk.deliver(packet(0x62, short(6)));
      expect([desk.toBroker(), desk.toClient()]).toEqual(['70020006', '']);
      return answers.map((answer) => answer.slice(8));
    };
    const window = (most: number) => ({ properties: properties(0x21, short(most)) });
    expect(await answersTo({})).toEqual(['87', '87', '87', '87', '', '']);
    expect(await answersTo(window(5))).toEqual(['87', '87', '', '', '', '']);
    expect(await answersTo(window(1))).toEqual(['', '', '', '', '', '']);
  });

  it('is judged by the rights of now, and with RETAIN', async () => {
    const desk = await joined();
    await desk.deliver(publish('acme/live', { retain: true }), publish('acme/live'), publish(own));
    expect(desk.toClient()).toBe(hex(publish('acme/live'), publish(own)));
    const before = desk.gate.asked.length;
    await desk.deliver(publish(own), publish(own));
    expect(desk.gate.asked).toHaveLength(before);
    desk.gate.grant(statements.slice(0, 1));
    expect(desk.opened[0]!.recheck()).toBeUndefined();
    desk.toClient();
    await desk.deliver(publish(own));
    expect(desk.toClient()).toBe('');
  });

  it('is judged again when its decision is over', async () => {
    const desk = await joined({ keepAlive: 0 });
    await desk.deliver(publish(own));
    const before = desk.gate.asked.length;
    await desk.advance(3_599_999);
    await desk.deliver(publish(own));
    expect(desk.gate.asked.slice(before).filter(({ ask }) => ask.action === 'receive')).toEqual([]);
    await desk.advance(1);
    await desk.deliver(publish(own));
    expect(desk.gate.asked.slice(before).filter(({ ask }) => ask.action === 'receive')).toHaveLength(1);
  });

  it('that is large passes as it comes', async () => {
    const desk = await joined();
    const large = publish(own, { qos: 1, id: 9, payload: Buffer.alloc(3_000_000, 7) });
    await desk.deliver(large.subarray(0, 10));
    expect(desk.toClient()).toBe('');
    await desk.deliver(large.subarray(10, 1000));
    expect(desk.toClient()).toBe(hex(large.subarray(0, 1000)));
    await desk.deliver(large.subarray(1000));
    expect(desk.toClient()).toBe(hex(large.subarray(1000)));
    const refused = publish(secret, { qos: 1, id: 9, payload: Buffer.alloc(3_000_000, 7) });
    await desk.deliver(refused.subarray(0, 1000), refused.subarray(1000), publish(own));
    expect([desk.toClient(), desk.toBroker()]).toEqual([hex(publish(own)), '40020009']);
  });

  it('has nothing of the edge in its middle', async () => {
    const desk = await joined(five);
    const large = publish(own, { properties: none, payload: Buffer.alloc(100_000, 7) });
    await desk.deliver(large.subarray(0, 50_000), large.subarray(50_000, 60_000));
    await desk.send(publish('acme/valve', { qos: 1, id: 3, properties: none }), subscribe(4, [['#', 0]], none));
    await desk.deliver(large.subarray(60_000));
    expect(desk.toClient()).toBe(hex(large, octets(0x40, 3, 0, 3, 0x87), octets(0x90, 4, 0, 4, 0, 0x87)));
    await desk.deliver(large.subarray(0, 90_000));
    void desk.opened[0]!.end({ code: 0x98, text: 'revoked' });
    await settle();
    expect(desk.toClient()).toBe(hex(large.subarray(0, 90_000)));
    expect(desk.client.isClosed()).toBe(true);
  });

  it('is not read while the client takes no more, and others are not kept', async () => {
    const desk = await joined();
    desk.client.stall();
    const packets = Array.from({ length: 200 }, () => publish(own, { payload: Buffer.alloc(20_000) }));
    await desk.deliver(...packets);
    expect(desk.broker().near.isPaused()).toBe(true);
    expect(desk.client.near.writableLength).toBeLessThan(200_000);
    for (let turn = 0; turn < 500 && desk.client.bytes().length < packets.length * packets[0]!.length; turn++) {
      desk.client.drain();
      await settle();
      desk.client.stall();
    }
    expect(desk.toClient()).toBe(hex(...packets));
  });

  it.each([
    ['an alias', publish('', { properties: properties(0x23, short(1)) })],
    ['an empty topic', publish('', { properties: none })],
    ['a wildcard', publish('acme/pump/+', { properties: none })],
    ['SUBSCRIBE', subscribe(1, [['a', 0]], none)],
    ['PINGREQ', packet(0xc0)],
    ['AUTH', packet(0xf0, 0x18, properties(0x15, text('x')))],
    ['type 0', packet(0)],
    ['a length of five octets', octets(0x30, 0xff, 0xff, 0xff, 0xff, 1)],
    ['a SUBACK that is too large', packet(0x90, Buffer.alloc(2_000_000))],
  ])('of a broker that sends %s ends the session', async (_name, bytes) => {
    const desk = await joined(five);
    await desk.deliver(bytes);
    expect(desk.toClient()).toMatch(/^e0..80/);
    await desk.advance(3000);
    expect(desk.broker().near.destroyed).toBe(true);
  });
});

describe('a client that does not read', () => {
  it('is not read either, once too much waits for it', async () => {
    const desk = await joined({}, { deniedPublish: 'drop', queuedBytesPerConnection: 100_000 });
    desk.client.stall();
    await desk.send(
      ...Array.from({ length: 400 }, (_, id) =>
        Buffer.concat(Array.from({ length: 100 }, () => publish('no', { qos: 1, id: id + 1 }))),
      ),
    );
    expect(desk.client.near.isPaused()).toBe(true);
    expect(desk.client.near.writableLength).toBeLessThan(120_000);
    desk.client.drain();
    await settle();
    for (let turn = 0; turn < 50_000 && desk.client.near.isPaused(); turn++) desk.client.drain();
    await settle();
    expect(desk.client.bytes().length).toBe(160_000);
  });
});

describe('PINGREQ', () => {
  it('passes with its answer', async () => {
    const desk = await joined();
    await desk.send(packet(0xc0), packet(0xc0));
    expect(desk.toBroker()).toBe('c000c000');
    await desk.deliver(packet(0xd0), packet(0xd0));
    expect(desk.toClient()).toBe('d000d000');
  });
});
