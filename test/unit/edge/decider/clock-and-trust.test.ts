import { describe, expect, it } from 'vitest';
import { createFollowedClock } from '../../../../src/edge/decider/followed-clock.js';
import { createTrust } from '../../../../src/edge/decider/trust.js';

const minute = 60_000;
const noon = Date.UTC(2026, 10, 28, 12);

/** A monotonic clock that the test moves. */
function hand() {
  let ms = 5000;
  return { monotonic: () => ms, pass: (byMs: number) => void (ms += byMs) };
}

describe('the followed clock', () => {
  it('is the one of the control plane, by whatever arrived with the least delay', () => {
    const { monotonic, pass } = hand();
    const clock = createFollowedClock(monotonic);
    expect(clock.now()).toBe(0);
    clock.reconnect(noon - 800);
    expect(clock.now()).toBe(noon - 800);
    pass(1000);
    clock.hear(noon + 1000);
    expect(clock.now()).toBe(noon + 1000);
    pass(5000);
    clock.hear(noon + 4000);
    expect(clock.now()).toBe(noon + 6000);
    expect(monotonic() - clock.saidAt(noon + 4000)).toBe(2000);
    expect(clock.saidAt(noon + minute)).toBe(monotonic());
  });

  it('never goes back while it runs, also when another connection is behind', () => {
    const { monotonic, pass } = hand();
    const clock = createFollowedClock(monotonic);
    clock.reconnect(noon);
    expect(clock.now()).toBe(noon);
    clock.reconnect(noon - minute);
    expect(clock.now()).toBe(noon);
    pass(minute + 1000);
    expect(clock.now()).toBe(noon + 1000);
  });

  it('takes back what it only worked out after a restart', () => {
    const { monotonic } = hand();
    const clock = createFollowedClock(monotonic);
    clock.guess(noon + 60 * minute);
    expect(clock.now()).toBe(noon + 60 * minute);
    clock.hear(noon);
    expect(clock.now()).toBe(noon);
  });
});

describe('trust', () => {
  const started = () => {
    const { monotonic, pass } = hand();
    return { trust: createTrust({ monotonic, trustForMs: 15 * minute }), monotonic, pass };
  };

  it('counts from heads: live, dark, and spent to the millisecond', () => {
    const { trust, monotonic, pass } = started();
    expect([trust.state(), trust.usedMs()]).toEqual(['starting', undefined]);
    trust.hear(monotonic());
    pass(11_999);
    expect(trust.state()).toBe('live');
    pass(1);
    expect(trust.state()).toBe('dark');
    pass(15 * minute - 12_001);
    expect(trust.state()).toBe('dark');
    pass(1);
    expect([trust.state(), trust.usedMs()]).toEqual(['spent', 15 * minute]);
    trust.hear(monotonic());
    expect(trust.state()).toBe('live');
  });

  it('is renewed by a head only up to when it was sent, and by an older one not at all', () => {
    const { trust, monotonic, pass } = started();
    const from = monotonic();
    trust.hear(from);
    pass(10 * minute);
    trust.hear(from + minute);
    expect([trust.state(), trust.usedMs()]).toEqual(['dark', 9 * minute]);
    trust.hear(from);
    expect(trust.usedMs()).toBe(9 * minute);
  });

  it('ends when the key is refused, whatever is left of it, until there is a head again', () => {
    const { trust, monotonic } = started();
    trust.hear(monotonic());
    trust.refuse();
    expect([trust.state(), trust.isRefused()]).toEqual(['refused', true]);
    trust.hear(monotonic());
    expect(trust.state()).toBe('live');
  });

  it('continues after a restart where it was, and is spent when that cannot be known', () => {
    const { trust, pass } = started();
    trust.resume(0);
    expect(trust.state()).toBe('dark');
    trust.resume(14 * minute);
    expect(trust.state()).toBe('dark');
    pass(minute);
    expect(trust.state()).toBe('spent');
    trust.resume(Infinity);
    expect(trust.state()).toBe('spent');
  });
});
