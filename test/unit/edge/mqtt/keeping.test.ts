import { describe, expect, it } from 'vitest';
import { createDesk, hex, settle } from '../../../support/edge/desk.js';
import { allow } from '../../../support/edge/gate.js';
import { packet, publish, short } from '../../../support/edge/packets.js';

const connects = allow(['connect'], ['client:${thing.name}']);
const statements = [connects, allow(['publish'], ['topic:acme/#'])];

/** A session whose messages somebody takes, who keeps them when the test says so. */
async function kept(forward: boolean, version: 4 | 5 = 5) {
  const waiting: { payload: string; keep(): void; fail(): void }[] = [];
  const take = (payload: Buffer): Promise<void> =>
    new Promise((keep, reject) =>
      waiting.push({ payload: payload.toString(), keep, fail: () => reject(new Error('full')) }),
    );
  const desk = createDesk({ statements, intake: { takerOf: () => ({ forward, take }) } });
  await desk.join({ version });
  return { desk, waiting };
}
const message = publish('acme/t', { qos: 1, id: 7, payload: 'p', properties: Buffer.of(0) });

describe('a message that is kept', () => {
  it('is acknowledged once it is, and not before', async () => {
    const { desk, waiting } = await kept(false);
    await desk.send(message);
    expect([desk.toClient(), desk.toBroker(), waiting.map(({ payload }) => payload)]).toEqual(['', '', ['p']]);
    waiting[0]!.keep();
    await settle();
    expect([desk.toClient(), desk.toBroker()]).toEqual([hex(packet(0x40, short(7))), '']);
  });

  it('is forwarded after that, if its sender still may publish it', async () => {
    const { desk, waiting } = await kept(true);
    await desk.send(message);
    waiting[0]!.keep();
    await settle();
    expect(desk.toBroker()).toBe(hex(message));
    await desk.send(message);
    desk.gate.grant([connects]);
    expect(desk.opened[0]!.recheck()).toBeUndefined();
    waiting[1]!.keep();
    await settle();
    expect(desk.toBroker()).toBe('');
    expect(desk.denials.map(({ reason }) => reason)).toEqual(['no-matching-statement']);
  });

  it('is not forwarded, and nobody is answered, once its session was ended', async () => {
    for (const forward of [true, false]) {
      const { desk, waiting } = await kept(forward);
      await desk.send(message);
      const ending = { code: 0x98, text: 'revoked' };
      await desk.opened[0]!.end(ending);
      await settle();
      desk.toClient();
      desk.toBroker();
      waiting[0]!.keep();
      await settle();
      expect([desk.toBroker(), desk.toClient(), desk.errors]).toEqual(['', '', []]);
    }
  });
});
