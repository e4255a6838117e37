import { describe, expect, it } from 'vitest';
import { readDatagram, type, writeDatagram, type Datagram } from '../../../../src/edge/coap-messages/datagrams.js';
import { createExchanges, type Fate } from '../../../../src/edge/coap/exchanges.js';
import { createTestClock } from '../../../support/edge/clock.js';

const none = Buffer.alloc(0);

function stage() {
  const clock = createTestClock();
  const sent: { at: number; datagram: Datagram }[] = [];
  const { timers } = clock;
  const exchanges = createExchanges({
    timers: { set: timers.setTimeout, clear: timers.clearTimeout },
    monotonic: timers.now,
    random: () => 0,
    firstId: 65_534,
    send: (bytes) => void sent.push({ at: timers.now(), datagram: readDatagram(bytes) as Datagram }),
  });
  const fates: Fate[] = [];
  const confirm = (word: string) =>
    exchanges.confirm(
      (id) =>
        writeDatagram({ type: type.confirmable, id, code: 69, token: none, options: [], payload: Buffer.from(word) }),
      (fate) => void fates.push(fate),
    );
  const words = () => sent.map(({ datagram }) => datagram.payload.toString());
  return { clock, sent, exchanges, fates, confirm, words };
}

describe('messages of CoAP that want an acknowledgement', () => {
  it('are sent five times in all, each time after twice as long, and then the device is silent', () => {
    const { clock, sent, fates, confirm } = stage();
    confirm('a');
    clock.advance(100_000);
    expect(sent.map(({ at }) => at)).toEqual([0, 2000, 6000, 14_000, 30_000]);
    expect(fates).toEqual(['silent']);
    expect(clock.pending()).toBe(0);
  });

  it('go one after the other, by ids that follow each other over 65535', () => {
    const { clock, sent, exchanges, fates, confirm, words } = stage();
    for (const word of ['a', 'b', 'c']) confirm(word);
    expect(words()).toEqual(['a']);
    exchanges.settled(65_535, 'acknowledged');
    expect(words()).toEqual(['a', 'b']);
    // One that was acknowledged already, and one that was never sent.
    for (const id of [65_535, 7]) exchanges.settled(id, 'acknowledged');
    exchanges.settled(0, 'reset');
    expect(sent.map(({ datagram }) => datagram.id)).toEqual([65_535, 0, 1]);
    expect(fates).toEqual(['acknowledged', 'reset']);
    clock.advance(2000);
    expect(words()).toEqual(['a', 'b', 'c', 'c']);
  });

  it('have a limit, and are silent once the session is over, after one last word', () => {
    const { clock, sent, exchanges, fates, confirm } = stage();
    for (let at = 0; at < 70; at++) confirm('x');
    expect([sent.length, fates]).toEqual([1, Array(5).fill('silent')]);
    exchanges.close();
    expect(fates).toHaveLength(70);
    confirm('last');
    clock.advance(100_000);
    expect(sent.map(({ datagram }) => datagram.payload.toString())).toEqual(['x', 'last']);
  });

  it('that are told once know of a reset', () => {
    const { exchanges } = stage();
    const resets: string[] = [];
    const tell = (name: string) =>
      exchanges.tell(
        (id) => writeDatagram({ type: 1, id, code: 69, token: none, options: [], payload: none }),
        () => resets.push(name),
      );
    tell('a');
    tell('b');
    exchanges.settled(65_535, 'reset');
    exchanges.settled(65_535, 'reset');
    exchanges.settled(0, 'acknowledged');
    exchanges.settled(0, 'reset');
    expect(resets).toEqual(['a']);
  });
});

describe('requests of CoAP', () => {
  it('are known again for 247 seconds, and no more than 256 of them', () => {
    const { clock, exchanges } = stage();
    const first = exchanges.begin(1);
    first.again = Buffer.from('answer');
    clock.advance(247_000);
    expect(exchanges.find(1)?.again).toEqual(Buffer.from('answer'));
    clock.advance(1);
    expect(exchanges.find(1)).toBeUndefined();
    for (let id = 0; id < 300; id++) exchanges.begin(id);
    expect(exchanges.find(43)).toBeUndefined();
    expect(exchanges.find(44)).toBeDefined();
  });
});
