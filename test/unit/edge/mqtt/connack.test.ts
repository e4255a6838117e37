import { describe, expect, it } from 'vitest';
import { createDesk, hex, settle } from '../../../support/edge/desk.js';
import { connack, connect, long, octets, properties, publish, short, text } from '../../../support/edge/packets.js';

const five = { version: 5 as const };

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

  it('is no larger than what the client takes: what may be left out is, and otherwise the connection ends', async () => {
    const said = octets(0x1f, text('welcome'), 0x26, text('a'), text('b'), 0x12, text('id'));
    const most = (value: number) => ({ properties: properties(0x27, long(value)) });
    const whole = await answered(properties(said));
    expect(whole).toBe(is(said, size(262_144)));
    const octetsOf = (answer: string): number => answer.length / 2;
    expect(await answered(properties(said), most(octetsOf(whole)))).toBe(whole);
    const least = is(0x12, text('id'), size(262_144));
    expect(await answered(properties(said), most(octetsOf(whole) - 1))).toBe(least);
    expect(await answered(properties(said), most(octetsOf(least)))).toBe(least);
    // Larger packets of the client are refused without having been announced.
    const bare = is(0x12, text('id'));
    expect(await answered(properties(said), most(octetsOf(least) - 1))).toBe(bare);
    expect(await answered(properties(said), most(octetsOf(bare)))).toBe(bare);
    const none = await answered(properties(said), most(octetsOf(bare) - 1));
    expect([none.slice(0, 2), octetsOf(none) < octetsOf(bare), none.slice(6, 8)]).toEqual(['20', true, '80']);
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
