import { describe, expect, it } from 'vitest';
import { createDesk, hex, settle, type Desk } from '../../../support/edge/desk.js';
import { allow } from '../../../support/edge/gate.js';
import { long, octets, packet, properties, publish, text } from '../../../support/edge/packets.js';

const connects = allow(['connect'], ['client:${thing.name}']);
const speaks = allow(['publish', 'subscribe', 'receive'], ['topic:acme/${thing.name}/#']);
const statements = [connects, speaks];
const five = { version: 5 as const };
const none = properties();
const will = { topic: 'acme/pump/gone' };

async function joined(fields = {}, more: Parameters<typeof createDesk>[0] = {}, answer?: Buffer) {
  const desk = createDesk({ statements, ...more });
  await desk.join(fields, answer);
  return desk;
}

/** Both sides are gone, and the promise of the end says so. */
async function expectEnded(desk: Desk, code: number): Promise<void> {
  await desk.advance(5000);
  await desk.connection.closed;
  expect([desk.client.near.destroyed, desk.broker().near.destroyed, desk.ended()?.code]).toEqual([true, true, code]);
  expect([desk.errors, desk.clock.pending()]).toEqual([[], 0]);
}

describe('a client that leaves', () => {
  it.each([
    ['MQTT 3.1.1', {}, packet(0xe0)],
    ['MQTT 5', five, packet(0xe0)],
    ['MQTT 5 with its will', { ...five, will }, packet(0xe0, 4)],
    ['MQTT 5 with a fault that it found', { ...five, will }, packet(0xe0, 0x82, properties(0x1f, text('x')))],
    [
      'MQTT 5 with another expiry',
      { ...five, properties: properties(0x11, long(5)) },
      packet(0xe0, 0, properties(0x11, long(9))),
    ],
  ])('by DISCONNECT of %s has it passed, and nothing after it', async (_name, fields, bytes) => {
    const desk = await joined(fields);
    expect(desk.connection.session()?.isOver()).toBe(false);
    await desk.send(
      octets(publish('acme/pump/a', { ...('version' in fields ? { properties: none } : {}) }), bytes, packet(0xc0)),
    );
    expect(desk.toBroker().endsWith(hex(bytes))).toBe(true);
    expect(desk.connection.session()?.isOver()).toBe(true);
    await expectEnded(desk, 0);
  });

  it('has a will that may not be published any longer dropped', async () => {
    const desk = await joined({ ...five, will });
    desk.gate.grant([connects]);
    await desk.send(packet(0xe0, 4, properties(0x1f, text('bye'))));
    expect(desk.toBroker()).toBe(hex(packet(0xe0, 0, properties(0x1f, text('bye')))));
    const abrupt = await joined({ ...five, will });
    abrupt.gate.grant([connects]);
    abrupt.client.close();
    await settle();
    expect(abrupt.toBroker()).toBe('e000');
    await expectEnded(abrupt, 0);
  });

  it('without a word has its will published', async () => {
    const desk = await joined({ will });
    await desk.send(publish('acme/pump/a'));
    desk.client.close();
    await settle();
    expect(desk.toBroker()).toBe(hex(publish('acme/pump/a')));
    expect(desk.broker().isClosed()).toBe(true);
    await expectEnded(desk, 0);
  });

  it.each([
    ['a body in MQTT 3', {}, packet(0xe0, 0), 0x81],
    ['flags', {}, octets(0xe1, 0), 0x81],
    ['a code of servers', five, packet(0xe0, 0x8b), 0x82],
    ['a property of servers', five, packet(0xe0, 0, properties(0x1c, text('x'))), 0x81],
    ['an expiry where there was none', five, packet(0xe0, 0, properties(0x11, long(9))), 0x82],
  ])('by a DISCONNECT with %s', async (_name, fields, bytes, code) => {
    const desk = await joined(fields);
    await desk.send(bytes);
    await desk.advance(3000);
    expect([desk.toBroker(), desk.ended()?.code]).toEqual(['', code]);
  });
});

describe('a segment', () => {
  const slow = async (fields = {}) => {
    const desk = createDesk({ statements });
    desk.gate.join('pump', 'slow');
    await desk.join(fields);
    return desk;
  };
  const messages = (count: number) => Array.from({ length: count }, () => publish('acme/pump/a', { properties: none }));

  it('lets requests through at its rate, and ends who sends faster for long', async () => {
    const desk = await slow(five);
    await desk.send(Buffer.concat(messages(6)));
    expect(desk.toBroker()).toBe(hex(...messages(3)));
    await desk.advance(1000);
    expect(desk.toBroker()).toBe(hex(...messages(1)));
    await desk.advance(2000);
    expect(desk.toBroker()).toBe(hex(...messages(2)));
    expect(desk.ended()).toBeUndefined();
    // Others of the segment have taken the seconds to come.
    const limiter = desk.opened[0]!.limits();
    expect(JSON.parse(limiter!)).toMatchObject({ rateLimit: { requestsPerSecond: 1 } });
  });

  it('has the keep-alive stand still while the edge does not read, and the broker hears something', async () => {
    const desk = createDesk({ statements });
    desk.gate.join('pump', 'slow');
    await desk.join({ ...five, keepAlive: 1 });
    // A second of its bandwidth is 125,000 octets.
    const large = publish('acme/pump/a', { properties: none, payload: Buffer.alloc(200_000) });
    await desk.send(octets(large, large));
    desk.toBroker();
    await desk.advance(2_100);
    expect(desk.ended()).toBeUndefined();
    expect(desk.toBroker()).toMatch(/^(c000)+$/);
    await desk.deliver(packet(0xd0), packet(0xd0));
    expect(desk.toClient()).toBe('');
  });

  it('has deliveries wait for its bandwidth', async () => {
    const desk = await slow(five);
    const large = publish('acme/pump/a', { properties: none, payload: Buffer.alloc(200_000) });
    await desk.deliver(large, large);
    expect(desk.client.bytes().length).toBe(large.length);
    await desk.advance(700);
    expect(desk.client.bytes().length).toBe(2 * large.length);
  });
});
