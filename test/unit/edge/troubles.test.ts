import { describe, expect, it } from 'vitest';
import { ControlPlaneError } from '../../../src/edge/decider/control-plane.js';
import { createTroubles } from '../../../src/edge/proxy/troubles.js';

const away = new ControlPlaneError('away', 'no answer');
const refused = new ControlPlaneError('refused', 'it answered 401', 401);

function open() {
  let now = 0;
  const lines: string[] = [];
  const say = (fields: object, message: string) => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const troubles = createTroubles({ info: say, warn: say, error: say }, () => now);
  return { ...troubles, lines, pass: (ms: number) => void (now += ms) };
}

describe('what fails for a while', () => {
  it('is said once when it begins and once when it is over, with how long and how many attempts', () => {
    const { failed, works, lines, pass } = open();
    works('following');
    for (let attempt = 0; attempt < 100; attempt++) {
      failed(away, 'following');
      pass(1000);
    }
    works('following');
    works('following');
    expect(lines).toEqual([
      'the control plane is away: decisions continue by what is known {"why":"no answer"}',
      'the control plane is back {"seconds":100,"attempts":100}',
    ]);
  });

  it('is counted in a line every five minutes meanwhile', () => {
    const { failed, lines, pass } = open();
    for (let second = 0; second < 3600; second++) {
      failed(away, 'following');
      pass(1000);
    }
    expect(lines).toHaveLength(12);
    expect(lines[1]).toBe(
      'still: the control plane is away: decisions continue by what is known {"attempts":301,"seconds":300,"why":"no answer"}',
    );
  });

  it('is one trouble, whoever asks the control plane', () => {
    const { failed, works, lines } = open();
    for (const what of ['receipts', 'following', 'reports', 'questions', 'authorities'] as const) failed(away, what);
    works('following');
    expect(lines.slice(1)).toEqual(['the control plane is back {"seconds":0,"attempts":5}']);
  });

  it('is said again when it becomes something else', () => {
    const { failed, works, lines, pass } = open();
    failed(away, 'following');
    pass(1000);
    failed(refused, 'following');
    failed(refused, 'following');
    works('following');
    expect(lines.map((line) => line.split(' {')[0])).toEqual([
      'the control plane is away: decisions continue by what is known',
      'the control plane refuses this edge: nobody is let in',
      'the control plane is back',
    ]);
  });

  it('is two lines a minute at the most when it comes and goes', () => {
    const { failed, works, lines, pass } = open();
    for (let second = 0; second < 600; second++) {
      if (second % 2 === 0) failed(new Error('refused'), 'broker');
      else works('broker');
      pass(1000);
    }
    expect(lines.length).toBeGreaterThan(10);
    expect(lines.length).toBeLessThanOrEqual(20);
  });

  it('has a stack only where it is a defect', () => {
    const { failed, lines } = open();
    failed(Object.assign(new Error('no space left'), { code: 'ENOSPC' }), 'state');
    failed(new TypeError('x is not a function'), 'sessions');
    expect(lines).toEqual([
      'the state cannot be written to stateDir {"why":"no space left"}',
      'sessions could not be ended {"err":{}}',
    ]);
  });
});
