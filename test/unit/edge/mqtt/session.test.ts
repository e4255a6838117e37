import { describe, expect, it } from 'vitest';
import type { Change } from '../../../../src/edge/gate.js';
import { createDesk, hex, settle, type Desk } from '../../../support/edge/desk.js';
import { allow } from '../../../support/edge/gate.js';
import {
  connack,
  connect,
  long,
  packet,
  properties,
  publish,
  short,
  subscribe,
  text,
} from '../../../support/edge/packets.js';

const connects = allow(['connect'], ['client:${thing.name}']);
const speaks = allow(['publish', 'subscribe', 'receive'], ['topic:acme/${thing.name}/#']);
const statements = [connects, speaks];
const five = { version: 5 as const };
const none = properties();
const will = { topic: 'acme/pump/gone' };
const revoked = { code: 0x98, text: 'certificate-revoked' };

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

describe('a session that is ended', () => {
  it('tells a client of MQTT 5 why, and closes that of MQTT 3', async () => {
    const newer = await joined(five);
    const done = newer.opened[0]!.end(revoked);
    await settle();
    expect(newer.toClient()).toBe(hex(packet(0xe0, 0x98, properties(0x1f, text('certificate-revoked')))));
    await done;
    await expectEnded(newer, 0x98);
    const older = await joined();
    await older.opened[0]!.end(revoked);
    expect(older.toClient()).toBe('');
    await expectEnded(older, 0x98);
  });

  it('waits for no client that does not read', async () => {
    const desk = await joined(five);
    desk.client.stall();
    const done = desk.opened[0]!.end(revoked);
    await desk.advance(40);
    await done;
    expect(desk.client.near.destroyed).toBe(true);
  });

  it.each([
    ['without a will', undefined, ''],
    ['with a will that is allowed', will, ''],
  ])('%s leaves without a word', async (_name, ofClient, words) => {
    const desk = await joined(ofClient ? { will: ofClient } : {});
    await desk.opened[0]!.end(revoked);
    expect(desk.toBroker()).toBe(words);
    await expectEnded(desk, 0x98);
  });

  it.each([3, 4, 5] as const)('has its will dropped once it may not be published: MQTT %i', async (version) => {
    const desk = await joined({ version, will });
    desk.gate.revoke('pump');
    const why = desk.opened[0]!.recheck();
    expect(why).toMatchObject({ code: 0x98, text: 'thing-revoked' });
    await desk.opened[0]!.end(why!);
    expect(desk.toBroker()).toBe('e000');
    await expectEnded(desk, 0x98);
  });

  it('has its queue purged where that is asked for', async () => {
    const block = properties(0x11, long(3600));
    const desk = await joined({ ...five, clean: false, properties: block });
    expect(desk.opened[0]!.isPersistent()).toBe(true);
    await desk.opened[0]!.end(revoked, { purge: true });
    expect(desk.toBroker()).toBe(hex(packet(0xe0, 0, properties(0x11, long(0)))));
    const older = await joined({ clean: false });
    expect(older.opened[0]!.isPersistent()).toBe(true);
    await older.opened[0]!.end(revoked, { purge: true });
    expect(older.toBroker()).toBe('e000');
    const purged = older.opened[0]!.purge();
    await settle();
    expect(older.brokers).toHaveLength(2);
    expect(older.toBroker()).toBe(hex(connect({ username: 'edge', password: 'secret', keepAlive: 30 })));
    await older.deliver(connack());
    await purged;
    expect(older.toBroker()).toBe('e000');
    expect(older.broker().near.destroyed).toBe(true);
  });

  it('while the broker is dialled never reaches it', async () => {
    const desk = createDesk({ statements, onOpened: (session) => void session.end(revoked) });
    await desk.send(connect());
    expect(desk.brokers.every((broker) => broker.near.destroyed && broker.bytes().length === 0)).toBe(true);
    expect(desk.toClient()).toBe('20020005');
  });

  it('for a drain tells that the server shuts down', async () => {
    const desk = await joined(five);
    void desk.opened[0]!.end({ code: 0x8b, text: '' });
    await settle();
    expect(desk.toClient()).toBe('e0028b00');
    await expectEnded(desk, 0x8b);
  });
});

describe('a session that is judged again', () => {
  const change: Change = { cursor: 'e:2', things: new Set(['pump']), everything: false, sessions: new Set() };
  const subscribed = async (filter: string) => {
    const desk = await joined(five);
    await desk.send(subscribe(1, [[filter, 1]], none));
    await desk.deliver(packet(0x90, short(1), none, 1));
    return desk;
  };

  it('reports what a device does, and of what is judged again only what ends it', async () => {
    const desk = await joined({ will });
    await desk.send(subscribe(1, [['acme/pump/#', 0]]));
    const before = ['connect true', 'publish true', 'subscribe true'];
    expect(desk.decided).toEqual(before);
    expect(desk.opened[0]!.recheck()).toBeUndefined();
    desk.gate.grant([connects, allow(['publish'], ['topic:acme/${thing.name}/#'])]);
    expect(desk.opened[0]!.recheck()).toMatchObject({ code: 0x87 });
    expect(desk.decided).toEqual([...before, 'subscribe false']);
  });

  it('stays where nothing of it changed', async () => {
    const desk = await subscribed('acme/pump/a');
    desk.gate.grant([connects, speaks, allow(['publish'], ['topic:acme/more'])]);
    expect(desk.opened[0]!.recheck(change)).toBeUndefined();
  });

  it('ends when it may not connect any longer', async () => {
    const desk = await joined(five);
    desk.gate.grant([speaks]);
    expect(desk.opened[0]!.recheck(change)).toEqual({ code: 0x87, text: 'connect: no-matching-statement' });
  });

  it('ends when its will may not be published any longer', async () => {
    const desk = await joined({ ...five, will });
    desk.gate.grant([connects]);
    expect(desk.opened[0]!.recheck(change)).toMatchObject({ code: 0x87 });
  });

  it('ends when a subscription may not be any longer, answered or not', async () => {
    const desk = await subscribed('acme/pump/a');
    desk.gate.grant([connects, allow(['subscribe', 'receive'], ['topic:acme/pump/b'])]);
    expect(desk.opened[0]!.recheck(change)).toEqual({ code: 0x87, text: 'subscribe: no-matching-statement' });
    const pending = await joined(five);
    await pending.send(subscribe(1, [['acme/pump/a', 1]], none));
    pending.gate.grant([connects]);
    expect(pending.opened[0]!.recheck(change)).toMatchObject({ code: 0x87 });
  });

  it('ends when a shared subscription may not be received as a whole', async () => {
    const desk = await subscribed('$share/g/acme/pump/#');
    desk.gate.grant([connects, allow(['subscribe'], ['topic:acme/pump/#']), allow(['receive'], ['topic:acme/pump/+'])]);
    expect(desk.opened[0]!.recheck(change)).toEqual({ code: 0x87, text: 'receive: no-matching-statement' });
  });

  it.each([
    [{ barred: 'away', detail: 'the time of trust is over' } as const, 0x89],
    [{ barred: 'refused', detail: '' } as const, 0x98],
    [{ barred: 'certificate-revoked', detail: '' } as const, 0x98],
    [{ barred: 'thing-suspended', detail: '' } as const, 0x98],
    [{ barred: 'token-expired', detail: '' } as const, 0xa0],
    [{ barred: 'certificate-expired', detail: '' } as const, 0xa0],
  ])('ends with its reason: %o', async (barred, code) => {
    const desk = await joined(five);
    desk.gate.goAway(barred);
    expect(desk.opened[0]!.recheck(change)?.code).toBe(code);
  });
});

describe('a session ends itself', () => {
  it('when a window closes on a live subscription', async () => {
    const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
    const hours = { timeWindows: [{ from: '00:00', to: '02:00', days: [...days], timeZone: 'UTC' }] };
    const desk = createDesk({ statements: [connects, allow(['subscribe'], ['topic:acme/pump/#'], hours)] });
    await desk.join(five);
    await desk.send(subscribe(1, [['acme/pump/a', 0]], none));
    await desk.deliver(packet(0x90, short(1), none, 0));
    // Something keeps the connection alive.
    for (let minute = 0; minute < 119; minute++) {
      await desk.send(packet(0xc0));
      await desk.advance(60_000);
    }
    expect(desk.ended()).toBeUndefined();
    desk.toClient();
    await desk.send(packet(0xc0));
    await desk.advance(60_000);
    expect(desk.toClient()).toMatch(/^e0..87/);
    expect(desk.toBroker()).not.toContain('e0');
  });

  it('when a window that came later closes before its next review', async () => {
    const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
    const hours = { timeWindows: [{ from: '00:00', to: '00:01', days: [...days], timeZone: 'UTC' }] };
    const desk = createDesk({ statements });
    await desk.join(five);
    await desk.advance(10_000);
    desk.gate.grant([allow(['connect'], ['client:${thing.name}'], hours)]);
    expect(desk.opened[0]!.recheck(undefined)).toBeUndefined();
    await desk.advance(49_999);
    expect(desk.ended()).toBeUndefined();
    await desk.advance(1);
    expect(desk.ended()?.code).toBe(0x87);
  });

  it('when its token expires', async () => {
    const desk = createDesk({ statements });
    desk.gate.expireAt(desk.clock.wall() + 30_000);
    await desk.join(five);
    await desk.advance(29_999);
    expect(desk.ended()).toBeUndefined();
    await desk.advance(1);
    expect(desk.toClient()).toMatch(/^e0..a0/);
    await expectEnded(desk, 0xa0);
  });

  it('when its client is silent for one and a half times its keep-alive', async () => {
    const desk = await joined({ ...five, keepAlive: 10, will });
    await desk.advance(10_000);
    await desk.send(packet(0xc0));
    await desk.advance(14_999);
    expect(desk.ended()).toBeUndefined();
    await desk.advance(1);
    expect(desk.toClient()).toMatch(/^e0..8d/);
    expect(desk.toBroker()).toBe('c000');
    await expectEnded(desk, 0x8d);
    const forever = await joined({ keepAlive: 0 });
    await forever.advance(3_000_000);
    expect(forever.ended()).toBeUndefined();
    const lowered = await joined({ ...five, keepAlive: 0 }, { settings: { keepAlive: 10 } });
    await lowered.advance(15_000);
    expect(lowered.ended()?.code).toBe(0x8d);
  });

  it('when the broker goes, after what it sent', async () => {
    const desk = await joined(five);
    desk.broker().send(publish('acme/pump/a', { properties: none }));
    desk.broker().send(packet(0xe0, 0x8e, 0));
    desk.broker().close();
    await settle();
    expect(desk.toClient()).toBe(hex(publish('acme/pump/a', { properties: none }), packet(0xe0, 0x8e, 0)));
    await expectEnded(desk, 0);
  });
});
