import { describe, expect, it } from 'vitest';
import { createDesk, hex } from '../../../support/edge/desk.js';
import { connack, connect, octets, packet, properties, publish, text } from '../../../support/edge/packets.js';

const five = { version: 5 as const };
const method = octets(0x15, text('thingward'));

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
