import { describe, expect, it } from 'vitest';
import { answeredIn, readAnswer } from '../../../../src/edge/commands/answers.js';
import { createOutbox, type Outcome } from '../../../../src/edge/commands/outbox.js';
import type { Guest } from '../../../../src/edge/gate.js';

const id = '1f3c9a52-7d0e-4d7e-8f61-2b9f0c5de2a9';
const guest: Guest = {
  account: 'acme',
  thingName: 'pump',
  thingId: 't',
  fingerprint: 'f',
  expiresAt: 0,
  byToken: false,
};
const read = (text: string) => readAnswer(id, Buffer.from(text));

describe('answers of devices', () => {
  it('stand on the topic of the thing itself, and on no other', () => {
    expect(answeredIn(`acme/pump/commands/reboot/${id}/result`, guest)).toBe(id);
    for (const topic of [
      `acme/valve/commands/reboot/${id}/result`,
      `other/pump/commands/reboot/${id}/result`,
      `acme/pump/commands/reboot/${id}/result/more`,
      `acme/pump/commands/reboot/${id.toUpperCase()}/result`,
      `acme/pump/commands//${id}/result`,
      `acme/pump/commands/reboot/${id}`,
      `/acme/pump/commands/reboot/${id}/result`,
      'result',
    ])
      expect(answeredIn(topic, guest), topic).toBeUndefined();
  });

  it('are JSON with one of two states; what no server keeps is left out', () => {
    expect(read('{"status":"failed","why":[1]}')).toEqual({
      id,
      status: 'failed',
      result: { status: 'failed', why: [1] },
    });
    for (const text of [
      '',
      '{',
      'null',
      '[]',
      '"failed"',
      '{"status":"queued"}',
      '{"status":["failed"]}',
      ' '.repeat(70_000),
    ])
      expect(read(text), text).toBeUndefined();
    const nested = `${'['.repeat(40)}${']'.repeat(40)}`;
    for (const more of [
      '"a":"\\u0000"',
      '"\\ud800":1',
      '"__proto__":{}',
      '"a":{"constructor":1}',
      '"a":"\\ufeffx"',
      `"a":${nested}`,
      `"a":"${'x'.repeat(9000)}"`,
    ])
      expect(read(`{"status":"acknowledged",${more}}`), more).toEqual({ id, status: 'acknowledged' });
  });
});

describe('the outbox', () => {
  const timers = {
    set: (run: () => void) => setTimeout(run, 0),
    clear: (timer: unknown) => clearTimeout(timer as NodeJS.Timeout),
  };
  const outcome = (thingName: string, nth: number): Outcome => ({
    id: `${thingName}-${nth}`,
    thingName,
    status: 'failed',
  });

  it('tells everything once the server is back, things in turn, and drops what it never takes', async () => {
    const told: Outcome[][] = [];
    let away = 3;
    const outbox = createOutbox({
      timers,
      async send(outcomes) {
        await new Promise((resolve) => setImmediate(resolve));
        if (away-- > 0) throw new Error('away');
        if (outcomes.some((each) => each.id === 'loud-3')) return false;
        told.push(outcomes);
        return true;
      },
    });
    const passed = Array.from({ length: 30 }, (_, nth) => outbox.pass(outcome('loud', nth)));
    expect(passed.filter(Boolean)).toHaveLength(21);
    outbox.say(outcome('own', 0));
    expect(outbox.pass(outcome('quiet', 0))).toBe(true);
    await expect.poll(() => told.flat().length).toBe(22);
    const ids = told.flat().map((each) => each.id);
    expect(ids).not.toContain('loud-3');
    expect(ids.indexOf('quiet-0')).toBeLessThan(ids.indexOf('loud-5'));
    await outbox.close();
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('holds answers of so many things, and not of more', () => {
    const outbox = createOutbox({ timers, send: () => new Promise(() => {}) });
    let taken = 0;
    for (let nth = 0; nth < 6000; nth++) if (outbox.pass(outcome(`t-${nth}`, 0))) taken++;
    expect(taken).toBe(5001);
  });
});
