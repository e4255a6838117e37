import { describe, expect, it } from 'vitest';
import { createDesk, hex } from '../../../support/edge/desk.js';
import { allow, deny } from '../../../support/edge/gate.js';
import {
  octets,
  packet,
  properties,
  publish,
  short,
  subscribe,
  text,
  unsubscribe,
} from '../../../support/edge/packets.js';

const statements = [
  allow(['connect'], ['client:${thing.name}']),
  allow(['subscribe', 'receive'], ['topic:acme/${thing.name}/#']),
  allow(['subscribe'], ['topic:acme/wide/#']),
  allow(['receive'], ['topic:acme/wide/a/+', 'topic:acme/wide/b']),
  deny(['receive'], ['topic:acme/${thing.name}/secret']),
  allow(['subscribe', 'receive'], ['topic:acme/first/#'], { qos: [0, 1] }),
];
const five = { version: 5 as const };
const none = properties();
const suback = (id: number, codes: number[], block?: Buffer) => packet(0x90, short(id), block ?? [], codes);

async function joined(fields = {}, settings = {}) {
  const desk = createDesk({ statements, settings });
  await desk.join(fields);
  return desk;
}

describe('SUBSCRIBE', () => {
  it.each([3, 4, 5] as const)('of MQTT %i passes when all of its filters are allowed', async (version) => {
    const desk = await joined({ version });
    const block = version === 5 ? properties(0x0b, 9, 0x26, text('k'), text('v')) : undefined;
    const asked = subscribe(
      9,
      [
        ['acme/pump/a', 1],
        ['acme/pump/b/+', version === 5 ? 0x2e : 2],
      ],
      block,
    );
    await desk.send(asked);
    expect([desk.toBroker(), desk.toClient()]).toEqual([hex(asked), '']);
    const answer = suback(9, [1, 2], version === 5 ? none : undefined);
    await desk.deliver(answer);
    expect(desk.toClient()).toBe(hex(answer));
    expect(desk.opened[0]!.subscriptions()).toEqual([
      { filter: 'acme/pump/a', qos: 1 },
      { filter: 'acme/pump/b/+', qos: 2 },
    ]);
  });

  it('has denied filters answered at their places', async () => {
    const desk = await joined();
    await desk.send(
      subscribe(9, [
        ['acme/valve/a', 0],
        ['acme/pump/a', 1],
        ['#', 0],
        ['acme/pump/b', 2],
        ['acme/+/b', 2],
      ]),
    );
    expect(desk.toBroker()).toBe(
      hex(
        subscribe(9, [
          ['acme/pump/a', 1],
          ['acme/pump/b', 2],
        ]),
      ),
    );
    await desk.deliver(suback(9, [1, 0x80]));
    expect(desk.toClient()).toBe(hex(suback(9, [0x80, 1, 0x80, 0x80, 0x80])));
    expect(desk.opened[0]!.subscriptions()).toEqual([{ filter: 'acme/pump/a', qos: 1 }]);
    expect(desk.denials.map(({ ask }) => ask!.resource)).toEqual(['topic:acme/valve/a', 'topic:#', 'topic:acme/+/b']);
  });

  it('has its properties kept where filters are taken out, and those of its SUBACK too', async () => {
    const desk = await joined(five);
    const block = properties(0x0b, 0x80, 1, 0x26, text('k'), text('v'));
    await desk.send(
      subscribe(
        9,
        [
          ['acme/pump/a', 0x19],
          ['acme/valve/a', 0],
        ],
        block,
      ),
    );
    expect(desk.toBroker()).toBe(hex(subscribe(9, [['acme/pump/a', 0x19]], block)));
    const told = properties(0x1f, text('fine'));
    await desk.deliver(suback(9, [0x01], told));
    expect(desk.toClient()).toBe(hex(suback(9, [0x01, 0x87], told)));
  });

  it('is answered without the broker when nothing of it is allowed', async () => {
    const desk = await joined();
    await desk.send(
      subscribe(9, [
        ['a', 0],
        ['b', 0],
      ]),
    );
    expect([desk.toBroker(), desk.toClient()]).toEqual(['', hex(suback(9, [0x80, 0x80]))]);
    const newer = await joined(five);
    await newer.send(subscribe(9, [['a', 0]], none));
    expect([newer.toBroker(), newer.toClient()]).toEqual(['', hex(suback(9, [0x87], none))]);
    // MQTT 3.1 has no code for no.
    const older = await joined({ version: 3 });
    await older.send(
      subscribe(9, [
        ['acme/pump/a', 0],
        ['b', 0],
      ]),
    );
    expect([older.toBroker(), older.toClient(), older.client.isClosed()]).toEqual(['', '', true]);
  });

  it('is judged with the QoS that it asks for', async () => {
    const desk = await joined();
    await desk.send(
      subscribe(9, [
        ['acme/first/a', 1],
        ['acme/first/b', 2],
      ]),
    );
    expect(desk.toBroker()).toBe(hex(subscribe(9, [['acme/first/a', 1]])));
  });

  it('to a group is allowed where the group may also be delivered to', async () => {
    const desk = await joined(five);
    const asked: [string, number][] = [
      ['$share/g/acme/pump/a', 0],
      ['acme/wide/#', 0],
      // Allowed to subscribe, but some deliveries would be dropped, and lost for the group.
      ['$share/g/acme/wide/#', 0],
      ['$share/g/acme/wide/a/+', 0],
      ['$share/g/acme/wide/+', 0],
      ['$share/g/acme/wide/a/x', 0],
      ['$share/g/acme/wide/b', 0],
      // Overlaps what may not be received.
      ['$share/g/acme/pump/+', 0],
    ];
    await desk.send(subscribe(9, asked, none));
    const granted = [0, 1, 3, 5, 6].map((index) => asked[index]!);
    expect(desk.toBroker()).toBe(hex(subscribe(9, granted, none)));
    await desk.deliver(suback(9, [0, 0, 0, 0, 0], none));
    expect(desk.toClient()).toBe(hex(suback(9, [0, 0, 0x87, 0, 0x87, 0, 0, 0x87], none)));
  });

  const four = {};
  it.each([
    ['no filter', four, packet(0x82, short(1)), 0x82],
    ['identifier 0', four, subscribe(0, [['acme/pump/a', 0]]), 0x81],
    ['flags', four, packet(0x80, short(1), text('acme/pump/a'), 0), 0x81],
    ['DUP', four, packet(0x8a, short(1), text('acme/pump/a'), 0), 0x81],
    ['QoS 3', four, subscribe(1, [['acme/pump/a', 3]]), 0x81],
    ['reserved bits', four, subscribe(1, [['acme/pump/a', 4]]), 0x81],
    ['reserved bits of MQTT 5', five, subscribe(1, [['acme/pump/a', 0x40]], none), 0x81],
    ['QoS 3 in MQTT 5', five, subscribe(1, [['acme/pump/a', 3]], none), 0x82],
    ['Retain Handling 3', five, subscribe(1, [['acme/pump/a', 0x30]], none), 0x82],
    ['Retain Handling 3 beside reserved bits', five, subscribe(1, [['acme/pump/a', 0xf0]], none), 0x81],
    ['no options', four, packet(0x82, short(1), text('acme/pump/a')), 0x81],
    ['a filter that ends outside', four, packet(0x82, short(1), short(20), 'acme', 0), 0x81],
    ['an empty filter', four, subscribe(1, [['', 0]]), 0x8f],
    ['# that is not last', four, subscribe(1, [['acme/pump/#/a', 0]]), 0x8f],
    ['# beside letters', four, subscribe(1, [['acme/pump/a#', 0]]), 0x8f],
    ['+ beside letters', four, subscribe(1, [['acme/pump/a+', 0]]), 0x8f],
    ['U+0000', four, subscribe(1, [['acme/pump/\0', 0]]), 0x81],
    ['Subscription Identifier 0', five, subscribe(1, [['acme/pump/a', 0]], properties(0x0b, 0)), 0x82],
    ['two Subscription Identifiers', five, subscribe(1, [['acme/pump/a', 0]], properties(0x0b, 1, 0x0b, 2)), 0x82],
    ['a property of PUBLISH', five, subscribe(1, [['acme/pump/a', 0]], properties(0x01, 1)), 0x81],
    ['a group without a name', five, subscribe(1, [['$share//acme/pump/a', 0]], none), 0x8f],
    ['a group with a wildcard', five, subscribe(1, [['$share/g+/acme/pump/a', 0]], none), 0x8f],
    ['a group without a filter', five, subscribe(1, [['$share/g', 0]], none), 0x8f],
    ['a group with an empty filter', five, subscribe(1, [['$share/g/', 0]], none), 0x8f],
    ['No Local in a group', five, subscribe(1, [['$share/g/acme/pump/a', 4]], none), 0x82],
  ] as [string, object, Buffer, number][])('with %s ends the connection', async (_name, fields, bytes, code) => {
    const desk = await joined(fields);
    await desk.send(bytes);
    await desk.advance(3000);
    expect([desk.toBroker(), desk.ended()?.code]).toEqual(['', code]);
    if (fields === five) expect(parseInt(desk.toClient().slice(4, 6), 16)).toBe(code);
  });

  it('takes no more filters than a session may have', async () => {
    const desk = await joined(five, { subscriptions: 2 });
    const filters = ['a', 'b', 'c'].map((level) => [`acme/pump/${level}`, 0] as [string, number]);
    await desk.send(subscribe(1, filters, none));
    expect(desk.toBroker()).toBe(hex(subscribe(1, filters.slice(0, 2), none)));
    await desk.deliver(suback(1, [0, 0], none));
    expect(desk.toClient()).toBe(hex(suback(1, [0, 0, 0x97], none)));
    await desk.send(subscribe(2, [filters[1]!], none), unsubscribe(3, ['acme/pump/a'], none));
    await desk.deliver(suback(2, [0], none), packet(0xb0, short(3), none, 0));
    await desk.send(subscribe(4, [filters[2]!], none));
    expect(desk.toBroker()).toContain(hex(subscribe(4, [filters[2]!], none)));
  });

  it('waits while the broker has many to answer', async () => {
    const desk = await joined();
    const asked = Array.from({ length: 100 }, (_, id) => subscribe(id + 1, [['acme/pump/a', 0]]));
    await desk.send(Buffer.concat(asked), publish('x'));
    expect(desk.toBroker()).toBe(hex(...asked.slice(0, 64)));
    await desk.deliver(...Array.from({ length: 64 }, (_, id) => suback(id + 1, [0])));
    expect(desk.toBroker()).toBe(hex(...asked.slice(64)));
  });

  it('uses a packet identifier that is free', async () => {
    const desk = await joined(five);
    await desk.send(subscribe(1, [['acme/pump/a', 0]], none), subscribe(1, [['acme/pump/b', 0]], none));
    expect(desk.toClient()).toMatch(/^e0..82/);
  });
});

describe('UNSUBSCRIBE', () => {
  it.each([4, 5] as const)(
    'of MQTT %i passes, and the subscription is over once the broker says so',
    async (version) => {
      const block = version === 5 ? none : undefined;
      const desk = await joined({ version });
      await desk.send(
        subscribe(
          1,
          [
            ['acme/pump/a', 0],
            ['acme/pump/b', 0],
          ],
          block,
        ),
      );
      await desk.deliver(suback(1, [0, 0], block));
      const asked = unsubscribe(2, ['acme/pump/a', 'acme/pump/b', 'acme/valve/#'], block);
      desk.toBroker();
      await desk.send(asked);
      expect(desk.toBroker()).toBe(hex(asked));
      expect(desk.opened[0]!.subscriptions()).toHaveLength(2);
      desk.toClient();
      const answer = packet(0xb0, short(2), version === 5 ? octets(none, 0, 0x83, 0x11) : []);
      await desk.deliver(answer);
      expect(desk.toClient()).toBe(hex(answer));
      expect(desk.opened[0]!.subscriptions()).toHaveLength(version === 5 ? 1 : 0);
    },
  );

  it.each([
    ['no filter', packet(0xa2, short(1)), 0x82],
    ['flags', packet(0xa0, short(1), text('a')), 0x81],
    ['identifier 0', unsubscribe(0, ['a']), 0x81],
    ['a filter that is none', unsubscribe(1, ['a/#/b']), 0x8f],
  ])('with %s ends the connection', async (_name, bytes, code) => {
    const desk = await joined();
    await desk.send(bytes);
    await desk.advance(3000);
    expect([desk.toBroker(), desk.ended()?.code]).toEqual(['', code]);
  });
});

describe('a broker that answers wrongly', () => {
  it.each([
    ['for more filters', suback(9, [0, 0], none)],
    ['for none', suback(9, [], none)],
  ])('%s ends the connection', async (_name, answer) => {
    const desk = await joined(five);
    await desk.send(subscribe(9, [['acme/pump/a', 0]], none));
    await desk.deliver(answer);
    expect(desk.toClient()).toMatch(/^e0..80/);
  });
});
