import { describe, expect, it } from 'vitest';
import { createDesk, hex, settle } from '../../../support/edge/desk.js';
import { allow, deny } from '../../../support/edge/gate.js';
import { connack, properties, publish, short, text } from '../../../support/edge/packets.js';

const statements = [
  allow(['connect'], ['client:${thing.name}']),
  allow(['publish', 'subscribe'], ['topic:acme/${thing.name}/#']),
  allow(['publish'], ['topic:acme/all'], { qos: [1], retain: false }),
  deny(['publish'], ['topic:acme/${thing.name}/secret']),
];
const five = { version: 5 as const };
const own = 'acme/pump/t';
const other = 'acme/valve/t';

async function joined(fields = {}, settings = {}, answer?: Buffer) {
  const desk = createDesk({ statements, settings });
  await desk.join(fields, answer);
  return desk;
}

describe('topic aliases of a client', () => {
  const withAliases = () => joined(five, {}, connack(0, { properties: properties(0x22, short(2)) }));
  const aliased = (topic: string, alias: number, qos = 0) =>
    publish(topic, { qos, properties: properties(0x01, 1, 0x23, short(alias), 0x26, text('k'), text('v')) });
  const plain = (topic: string, qos = 0) =>
    publish(topic, { qos, properties: properties(0x01, 1, 0x26, text('k'), text('v')) });

  it('end at the edge: the broker gets topics', async () => {
    const desk = await withAliases();
    await desk.send(aliased(own, 1), aliased('', 1), aliased('', 1, 1), aliased('acme/pump/u', 1), aliased('', 1));
    expect(desk.toBroker()).toBe(
      hex(plain(own), plain(own), plain(own, 1), plain('acme/pump/u'), plain('acme/pump/u')),
    );
  });

  it('are set by what is denied too, and judged each time', async () => {
    const desk = await withAliases();
    await desk.send(aliased(other, 2, 1), aliased('', 2, 1), aliased(own, 2, 1), aliased('', 2, 1));
    expect(desk.toClient()).toBe('4003000187' + '4003000187');
    expect(desk.toBroker()).toBe(hex(plain(own, 1), plain(own, 1)));
  });

  it.each([
    ['above the maximum', aliased(own, 3), 0x94],
    ['that are unknown', aliased('', 1), 0x82],
    ['that are above the maximum and unknown', aliased('', 9), 0x94],
  ])('%s end the connection', async (_name, bytes, code) => {
    const desk = await withAliases();
    await desk.send(bytes);
    expect([desk.toBroker(), parseInt(desk.toClient().slice(4, 6), 16)]).toEqual(['', code]);
  });

  it('do not become more at the broker than it reads', async () => {
    const desk = await withAliases();
    const topic = `acme/pump/${'x'.repeat(60_000)}`;
    desk.broker().stall();
    await desk.send(aliased(topic, 1));
    await desk.send(Buffer.concat(Array.from({ length: 5000 }, () => aliased('', 1))));
    expect(desk.broker().near.writableLength).toBeLessThan(400_000);
    expect(desk.client.near.isPaused()).toBe(true);
    let passed = 0;
    for (let turn = 0; turn < 20; turn++) {
      desk.broker().drain();
      await settle();
      desk.broker().stall();
      expect(desk.broker().near.writableLength).toBeLessThan(400_000);
      passed += desk.broker().received.length;
      desk.broker().received.length = 0;
    }
    expect(passed).toBeGreaterThan(20);
  });
});
