import { describe, expect, it } from 'vitest';
import type { Guest } from '../../../src/edge/gate.js';
import { createPace } from '../../../src/edge/http-proxy/pace.js';
import { createSegments } from '../../../src/edge/proxy/segments.js';

const guest: Guest = { account: 'a', thingName: 'pump', thingId: 'x', fingerprint: '', expiresAt: 0, byToken: true };
const limits = (policy: object): string => JSON.stringify(policy);
const settle = () => new Promise((resolve) => setImmediate(resolve));

function open(segmentOf: () => string | undefined = () => 'lab') {
  let now = 0;
  const due: { run(): void; at: number }[] = [];
  const pace = createPace({
    gate: { segmentOf },
    segments: createSegments(() => now),
    timers: {
      set(run, ms) {
        const timer = { run, at: now + ms };
        due.push(timer);
        return timer;
      },
      clear: (timer) => void due.splice(due.indexOf(timer as (typeof due)[number]) >>> 0, 1),
    },
  });
  return {
    pace,
    due,
    async pass(ms: number) {
      now += ms;
      for (const timer of due.filter(({ at }) => at <= now)) {
        due.splice(due.indexOf(timer), 1);
        timer.run();
      }
      for (let turn = 0; turn < 5; turn++) await settle();
    },
  };
}

describe('the limits of a segment, for requests', () => {
  it('let a burst through, have some wait for at most five seconds, and refuse the rest', async () => {
    const { pace, pass, due } = open();
    const paced = { guest, limits: limits({ rateLimit: { requestsPerSecond: 1, burst: 2 } }) };
    const turns = Array.from({ length: 10 }, () => pace.turn(paced));
    expect(turns.filter((turn) => turn === true)).toHaveLength(2);
    expect(turns.filter((turn) => turn === false)).toHaveLength(3);
    expect(due.map(({ at }) => at)).toEqual([1000, 2000, 3000, 4000, 5000]);
    let went = 0;
    for (const turn of turns) if (typeof turn !== 'boolean') void turn.then(() => went++);
    await pass(3000);
    expect(went).toBe(3);
    // What was refused was not counted.
    expect(typeof pace.turn(paced)).toBe('object');
  });

  it('are those of the segment and its policy, and none without one', () => {
    const { pace } = open();
    const none = { guest, limits: undefined };
    expect(Array.from({ length: 100 }, () => pace.turn(none))).toEqual(Array(100).fill(true));
  });

  it('let octets through, the next ones when the first are paid for, in each direction by itself', async () => {
    const { pace, pass, due } = open();
    const { up, down } = pace.brakes({ guest, limits: limits({ bandwidthLimit: '8kbps' }) });
    const got = { up: 0, down: 0 };
    up.on('data', (octets: Buffer) => (got.up += octets.length));
    down.on('data', (octets: Buffer) => (got.down += octets.length));
    // A thousand octets a second, and a burst of as many.
    for (let piece = 0; piece < 5; piece++) up.write(Buffer.alloc(1000));
    down.write(Buffer.alloc(500));
    for (let turn = 0; turn < 5; turn++) await settle();
    expect(got).toEqual({ up: 2000, down: 500 });
    await pass(999);
    expect(got.up).toBe(2000);
    await pass(1);
    expect(got.up).toBe(3000);
    await pass(1000);
    expect(got.up).toBe(4000);
    up.destroy();
    down.destroy();
    expect(due).toEqual([]);
  });
});
