import { describe, expect, it } from 'vitest';
import { createAdmission, type Crowded } from '../../../src/edge/arrivals/admission.js';

const limits = { connections: 6, unauthenticated: 3, perAddress: 2, connectTimeout: 10_000 };

/** Admission with a clock that the test moves. */
function open(changed: Partial<typeof limits> = {}) {
  const timers = new Map<number, { at: number; run: () => void }>();
  const refused: Crowded[] = [];
  let [now, next] = [0, 0];
  const admission = createAdmission({
    limits: { ...limits, ...changed },
    timers: {
      set: (run, ms) => {
        timers.set(++next, { at: now + ms, run });
        return next;
      },
      clear: (timer) => void timers.delete(timer as number),
    },
    refused: (why) => void refused.push(why),
  });
  const advance = (ms: number): void => {
    now += ms;
    for (const [id, { at, run }] of timers)
      if (at <= now) {
        timers.delete(id);
        run();
      }
  };
  return { admission, refused, advance, timers };
}

describe('admission', () => {
  it('refuses what is beyond the number of connections', () => {
    const { admission, refused } = open({ unauthenticated: 100 });
    const places = Array.from({ length: 6 }, (_, n) => admission.enter(`192.0.2.${n}`, () => {}));
    expect(places).not.toContain(undefined);
    expect(admission.enter('192.0.2.9', () => {})).toBeUndefined();
    places[0]!.leave();
    places[0]!.leave();
    expect(admission.enter('192.0.2.9', () => {})).toBeDefined();
    expect(refused).toEqual(['connections']);
  });

  it('ends the oldest of those that did not show who they are, and nobody else', () => {
    const { admission, refused } = open();
    const ended: number[] = [];
    const enter = (n: number) => admission.enter(`192.0.2.${n}`, () => void ended.push(n));
    enter(1)!.authenticated();
    [2, 3, 4].forEach(enter);
    expect(ended).toEqual([]);
    enter(5);
    expect(ended).toEqual([2]);
    expect(refused).toEqual(['unauthenticated']);
    expect(admission.counts().unauthenticated).toBe(3);
  });

  it('counts by address, and IPv6 by /64', () => {
    const { admission } = open({ unauthenticated: 100 });
    const first = admission.enter('2001:db8::1', () => {})!;
    admission.enter('2001:db8::2', () => {});
    expect(admission.enter('2001:db8::3', () => {})).toBeUndefined();
    expect(admission.enter('2001:db8:0:1::3', () => {})).toBeDefined();
    first.leave();
    expect(admission.enter('2001:db8::3', () => {})).toBeDefined();
  });

  it('counts clients of a proxy by the address that it names', () => {
    const { admission } = open({ unauthenticated: 100 });
    const places = Array.from({ length: 5 }, () => admission.enter('127.0.0.1', () => {}, false)!);
    expect(places[0]!.moveTo('192.0.2.1')).toBe(true);
    expect(places[1]!.moveTo('192.0.2.1')).toBe(true);
    expect(places[2]!.moveTo('192.0.2.1')).toBe(false);
    expect(places[0]!.moveTo('192.0.2.1')).toBe(true);
    expect(places[0]!.moveTo('192.0.2.2')).toBe(true);
    expect(places[2]!.moveTo('192.0.2.1')).toBe(true);
  });

  it('ends who does not show in time who it is', () => {
    const { admission, refused, advance, timers } = open();
    const ended: string[] = [];
    admission.enter('192.0.2.1', () => void ended.push('slow'));
    admission.enter('192.0.2.2', () => void ended.push('known'))!.authenticated();
    advance(10_000);
    expect(ended).toEqual(['slow']);
    expect(refused).toEqual(['connectTimeout']);
    expect(timers.size).toBe(0);
  });

  it('remembers nothing of those that left', () => {
    const { admission, timers } = open({ connections: 1_000_000, unauthenticated: 1_000_000 });
    const places = Array.from({ length: 10_000 }, (_, n) => admission.enter(`10.0.${n >> 8}.${n & 255}`, () => {})!);
    expect(admission.counts()).toEqual({ connections: 10_000, unauthenticated: 10_000, addresses: 10_000 });
    places.forEach(({ leave }) => leave());
    expect(admission.counts()).toEqual({ connections: 0, unauthenticated: 0, addresses: 0 });
    expect(timers.size).toBe(0);
  });
});
