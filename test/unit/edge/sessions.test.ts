import { describe, expect, it } from 'vitest';
import type { Change, Guest, Trust } from '../../../src/edge/gate.js';
import { createSessions, type Ending, type Live } from '../../../src/edge/proxy/sessions.js';

const minute = 60_000;

/** The table with a clock that the test moves; `run` lets timers and promises run. */
function open() {
  let now = 1_800_000_000_000;
  let trust: Trust = 'live';
  let due: (() => void) | undefined;
  const seen: string[] = [];
  const sessions = createSessions({
    gate: { now: () => now, trust: () => trust },
    timers: { set: (run) => void (due = run), clear: () => (due = undefined) },
    opened: ({ id }) => void seen.push(`opened ${id}`),
    closed: ({ id }, ending) => void seen.push(`closed ${id} ${ending?.code ?? 'by itself'}`),
  });
  const run = async (): Promise<void> => {
    due?.();
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  return {
    sessions,
    seen,
    run,
    now: () => now,
    advance: (ms: number) => void (now += ms),
    become: (next: Trust) => void (trust = next),
  };
}

function device(thingName: string, expiresAt: number) {
  const guest: Guest = { account: 'a', thingName, thingId: 'x', fingerprint: '', expiresAt, byToken: true };
  let ending: Ending | undefined;
  let finish = (): void => {};
  const ended: Ending[] = [];
  let looked = 0;
  let isOver = false;
  const live: Live = {
    guest: () => guest,
    protocol: 'mqtts',
    sourceIp: '192.0.2.1',
    recheck() {
      looked++;
      return ending;
    },
    isOver: () => isOver,
    end(why) {
      ended.push(why);
      return new Promise((resolve) => (finish = resolve));
    },
  };
  return {
    live,
    ended,
    bar: (why: Ending | undefined) => void (ending = why),
    finish: () => finish(),
    leave: () => void (isOver = true),
    looked: () => looked,
  };
}

const change = (given: Partial<Change>): Change => ({
  cursor: 'c',
  things: new Set<string>(),
  everything: false,
  sessions: new Set<string>(),
  ...given,
});
const revoked: Ending = { code: 0x98, text: 'revoked' };

describe('the table of sessions', () => {
  it('says that a change is enforced only when both sides of each session are destroyed', async () => {
    const { sessions, run, now, seen } = open();
    const [pump, valve] = [device('pump', now() + 3_600_000), device('valve', now() + 3_600_000)];
    sessions.add(pump.live);
    sessions.add(valve.live);
    pump.bar(revoked);
    let enforced: number | undefined;
    void sessions.enforce(change({ things: new Set(['pump']) })).then((count) => (enforced = count));
    await run();
    expect(pump.ended).toEqual([revoked]);
    expect(valve.ended).toEqual([]);
    expect(enforced).toBeUndefined();
    expect(sessions.size()).toBe(2);
    pump.finish();
    await run();
    expect(enforced).toBe(1);
    expect(sessions.size()).toBe(1);
    expect(seen.at(-1)).toMatch(/^closed .* 152$/);
  });

  it('a second change waits for the same end, and does not count it again', async () => {
    const { sessions, run, now } = open();
    const pump = device('pump', now() + 3_600_000);
    sessions.add(pump.live);
    pump.bar(revoked);
    const counts: number[] = [];
    for (const given of [change({ things: new Set(['pump']) }), change({ everything: true })])
      void sessions.enforce(given).then((count) => counts.push(count));
    await run();
    expect(counts).toEqual([]);
    pump.finish();
    await run();
    expect(counts.sort()).toEqual([0, 1]);
    expect(pump.ended).toHaveLength(1);
  });

  it('was not ended by the edge when its own side closed it before, at a change, an order and a drain', async () => {
    const { sessions, run, now, seen } = open();
    const devices = [0, 1, 2].map((n) => device(`pump-${n}`, now() + 3_600_000));
    const ids = devices.map(({ live }) => (sessions.add(live) as { id: string }).id);
    for (const each of devices) {
      each.leave();
      each.bar(revoked);
    }
    const counts: number[] = [];
    const ordered = change({ things: new Set(['pump-0']), sessions: new Set([ids[1]!]) });
    void sessions.enforce(ordered).then((count) => counts.push(count));
    void sessions.endAll({ code: 0x8b, text: 'drain' }, ['mqtts']);
    await run();
    // What is left of them has to be gone before somebody says so.
    expect([counts, sessions.size()]).toEqual([[], 3]);
    for (const each of devices) each.finish();
    await run();
    expect(counts).toEqual([0]);
    expect(seen.slice(3)).toEqual(ids.map((id) => `closed ${id} by itself`));
  });

  it('judges only the things of a change, and everything when everything may have changed', async () => {
    const { sessions, now } = open();
    const devices = Array.from({ length: 500 }, (_, n) => device(`pump-${n}`, now() + 3_600_000));
    devices.forEach(({ live }) => sessions.add(live));
    const looked = (): number => devices.reduce((sum, each) => sum + each.looked(), 0) - 500;
    expect(await sessions.enforce(change({ things: new Set(['pump-7']) }))).toBe(0);
    expect(looked()).toBe(1);
    expect(await sessions.enforce(change({ everything: true }))).toBe(0);
    expect(looked()).toBe(501);
  });

  it('does not take a session in that may not be here', () => {
    const { sessions, now } = open();
    const pump = device('pump', now() + 1000);
    pump.bar(revoked);
    expect(sessions.add(pump.live)).toEqual({ refused: revoked });
    expect(sessions.size()).toBe(0);
  });

  it('ends a session that an operator names, whatever its rights', async () => {
    const { sessions, run, now } = open();
    const pump = device('pump', now() + 3_600_000);
    const added = sessions.add(pump.live);
    const id = 'id' in added ? added.id : '';
    let enforced: number | undefined;
    void sessions.enforce(change({ sessions: new Set([id, 'unknown']) })).then((count) => (enforced = count));
    await run();
    pump.finish();
    await run();
    expect(enforced).toBe(1);
    expect(pump.ended[0]!.code).toBe(0x98);
  });

  it('looks at a session when it expires, and again at its new time when it was renewed', async () => {
    const { sessions, run, now, advance } = open();
    const pump = device('pump', now() + 5000);
    const valve = device('valve', now() + 3_600_000);
    [pump, valve].forEach(({ live }) => sessions.add(live));
    await run();
    advance(4000);
    await run();
    expect(pump.looked()).toBe(1);
    advance(1000);
    pump.bar({ code: 0xa0, text: 'token-expired' });
    await run();
    expect(pump.ended).toEqual([{ code: 0xa0, text: 'token-expired' }]);
    expect(valve.looked()).toBe(1);
  });

  it('looks at all of them at each minute, when trust changes, and after a jump of the clock', async () => {
    const { sessions, run, now, advance, become } = open();
    const pump = device('pump', now() + 10 * 24 * 3_600_000);
    sessions.add(pump.live);
    await run();
    expect(pump.looked()).toBe(1);
    advance(minute - (now() % minute));
    await run();
    expect(pump.looked()).toBe(2);
    become('spent');
    await run();
    expect(pump.looked()).toBe(3);
    advance(9 * 24 * 3_600_000);
    await run();
    expect(pump.looked()).toBe(4);
  });

  it('ends a session that cannot be judged', async () => {
    const { sessions, now } = open();
    const pump = device('pump', now() + 3_600_000);
    sessions.add(pump.live);
    pump.live.recheck = () => {
      throw new Error('a defect');
    };
    // The table has its own copy of what it was given.
    const broken = device('valve', now() + 3_600_000);
    let isBroken = false;
    sessions.add({
      ...broken.live,
      recheck() {
        if (isBroken) throw new Error('a defect');
        return undefined;
      },
      end: async () => {},
    });
    isBroken = true;
    expect(await sessions.enforce(change({ everything: true }))).toBe(1);
    expect(sessions.size()).toBe(1);
  });

  it('lets everything else run between slices', async () => {
    const { sessions, now } = open();
    let turns = 0;
    const count = (): void => {
      turns++;
      if (turns < 10_000) setImmediate(count);
    };
    for (let n = 0; n < 400; n++) {
      const each = device(`pump-${n}`, now() + 3_600_000);
      sessions.add({
        ...each.live,
        recheck() {
          // About a tenth of a millisecond of work.
          for (const until = performance.now() + 0.1; performance.now() < until;);
          return undefined;
        },
      });
    }
    setImmediate(count);
    await sessions.enforce(change({ everything: true }));
    expect(turns).toBeGreaterThan(3);
  });
});
