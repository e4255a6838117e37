import { describe, expect, it } from 'vitest';
import type { Guest } from '../../../src/edge/gate.js';
import { createReports } from '../../../src/edge/proxy/reports.js';
import { report as shape, type SessionReport } from '../../../src/sessions/schema.js';
import type { Session } from '../../../src/edge/proxy/sessions.js';
import type { Verdict } from '../../../src/authorize/judge.js';

/** Reports to a list, whose answers the test chooses. Every report must have the shape that the route takes. */
function open() {
  let due: (() => void) | undefined;
  let status = 204;
  let meanwhile = (): void => {};
  const sent: SessionReport[] = [];
  const reports = createReports({
    send: async (report) => {
      sent.push(shape.parse(report));
      meanwhile();
      meanwhile = () => {};
      return { status };
    },
    incarnation: 'run-1',
    timers: { set: (run) => void (due = run), clear: () => (due = undefined) },
    now: () => 1_800_000_000_000,
  });
  return {
    reports,
    sent,
    answer: (next: number) => void (status = next),
    meanwhile: (run: () => void) => void (meanwhile = run),
    async run() {
      due?.();
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
      return sent.at(-1)!;
    },
  };
}

const guest: Guest = { account: 'a', thingName: 'pump', thingId: 'x', fingerprint: '', expiresAt: 0, byToken: true };
const session = (id: string, clientId = id): Session => ({
  id,
  clientId,
  guest: () => guest,
  protocol: 'mqtts',
  sourceIp: '192.0.2.1',
  connectedAt: 1_800_000_000_000,
  recheck: () => undefined,
  isOver: () => false,
  end: async () => {},
});
const ids = ({ opened }: SessionReport) => opened.map(({ id }) => id);

describe('reports of sessions', () => {
  it('say everything at first, and then what changed', async () => {
    const { reports, run, sent } = open();
    reports.opened(session('one'));
    expect(await run()).toMatchObject({ full: true, incarnation: 'run-1', opened: [{ id: 'one', thingName: 'pump' }] });
    reports.opened(session('two'));
    reports.closed('one');
    const second = await run();
    expect(second.full).toBeUndefined();
    expect([ids(second), second.closed]).toEqual([['two'], ['one']]);
    await run();
    expect(sent).toHaveLength(2);
  });

  it('leave out what came and went between two of them', async () => {
    const { reports, run } = open();
    await run();
    reports.opened(session('one'));
    reports.seen('pump');
    reports.closed('one');
    expect(await run()).toMatchObject({ opened: [], closed: [], seen: [{ thingName: 'pump' }] });
  });

  it('say that a session is gone that left while it was reported', async () => {
    const { reports, run, meanwhile } = open();
    reports.opened(session('one'));
    meanwhile(() => reports.closed('one'));
    expect(ids(await run())).toEqual(['one']);
    expect((await run()).closed).toEqual(['one']);
  });

  it('say everything again when it is not known what arrived, and lose no count', async () => {
    const { reports, run, answer } = open();
    reports.opened(session('one'));
    await run();
    reports.denied('token-invalid');
    answer(0);
    await run();
    answer(204);
    reports.denied('token-invalid');
    const last = await run();
    expect(last.full).toBe(true);
    expect(ids(last)).toEqual(['one']);
    expect(last.denied).toEqual({ 'token-invalid': 2 });
  });

  it('come one after the other where there are more sessions than one holds', async () => {
    const { reports, run } = open();
    for (let n = 0; n < 4500; n++) reports.opened(session(`s-${n}`));
    const counts = [await run(), await run(), await run()].map(({ opened, full }) => [opened.length, full]);
    expect(counts).toEqual([
      [2000, true],
      [2000, undefined],
      [500, undefined],
    ]);
  });

  it('stay within the limits of the route, whatever happens at the edge', async () => {
    const { reports, run } = open();
    const verdict = { allowed: false, refusal: 'no-matching-statement', statement: undefined } as Verdict;
    for (let n = 0; n < 10_000; n++) {
      reports.seen(`pump-${n}`);
      reports.denied(`reason-${n}`);
      reports.sampled('pump', { action: 'publish', resource: `topic:${n}` }, verdict);
    }
    reports.sampled('pump', { action: 'publish', resource: 'topic:\0' }, { ...verdict, allowed: true });
    reports.opened(session('long', '\u{1F600}'.repeat(5000)));
    const { seen, denied, decisions } = await run();
    expect([seen.length, Object.keys(denied).length, decisions.length]).toEqual([5000, 100, 10]);
  });
});
