import { describe, expect, it } from 'vitest';
import { judge, type Condition, type Judged, type Open } from '../../../src/alerts/judge.js';

const at = new Date('2026-01-01T00:10:00Z');
const before = (seconds: number): Date => new Date(at.getTime() - seconds * 1000);
const rule = (more: Partial<Judged> = {}): Judged => ({
  condition: 'greater_than',
  threshold: 5,
  forSeconds: 0,
  cooldownSeconds: 300,
  metSince: null,
  ...more,
});
const open = (more: Partial<Open> = {}): Open => ({ acknowledged: false, notifiedAt: before(10), ...more });

describe('a rule', () => {
  it.each([
    ['greater_than', [false, false, true]],
    ['greater_equal', [false, true, true]],
    ['less_than', [true, false, false]],
    ['less_equal', [true, true, false]],
    ['equals', [false, true, false]],
  ] as [Condition, boolean[]][])('%s', (condition, met) => {
    const steps = [4, 5, 6].map((value) => judge(rule({ condition }), undefined, value, at));
    expect(steps).toEqual(met.map((each) => (each ? 'fire' : 'none')));
  });

  it('fires when its condition was met for so long without a break', () => {
    const waiting = rule({ forSeconds: 60 });
    expect(judge(waiting, undefined, 6, at)).toBe('meet');
    expect(judge({ ...waiting, metSince: before(59) }, undefined, 6, at)).toBe('none');
    expect(judge({ ...waiting, metSince: before(60) }, undefined, 6, at)).toBe('fire');
    expect(judge({ ...waiting, metSince: before(59) }, undefined, 5, at)).toBe('forget');
  });

  it('tells again after its cooldown, not when acknowledged, and resolves', () => {
    expect(judge(rule(), open({ notifiedAt: before(299) }), 6, at)).toBe('none');
    expect(judge(rule(), open({ notifiedAt: before(300) }), 6, at)).toBe('again');
    expect(judge(rule(), open({ notifiedAt: before(9000), acknowledged: true }), 6, at)).toBe('none');
    expect(judge(rule(), open({ acknowledged: true }), 5, at)).toBe('resolve');
  });

  it('changes nothing without a figure', () => {
    expect(judge(rule({ metSince: before(60) }), undefined, undefined, at)).toBe('none');
    expect(judge(rule(), open(), undefined, at)).toBe('none');
  });
});
