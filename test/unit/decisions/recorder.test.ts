import { describe, expect, it } from 'vitest';
import { createRecorder, type RecordedDecision } from '../../../src/decisions/recorder.js';
import type { Verdict } from '../../../src/authorize/judge.js';

const verdict: Verdict = {
  allowed: false,
  refusal: 'no-matching-statement',
  statement: undefined,
  validUntil: 0,
  cursor: '',
  refresh: false,
  limits: undefined,
};

describe('the sample of decisions', () => {
  const sampled = async (asked: [account: string, times: number][], at = 1000): Promise<Map<string, number>> => {
    const written: RecordedDecision[] = [];
    const recorder = createRecorder(async (decisions) => void written.push(...decisions));
    for (const [account, times] of asked) {
      for (let n = 0; n < times; n++) {
        const resource = `endpoint:gate-${n}`;
        recorder.record(account, 'thing', { principal: { thingName: 'thing' }, action: 'open', resource }, verdict, at);
      }
    }
    await recorder.flush();
    const counts = new Map<string, number>();
    for (const { account } of written) counts.set(account, (counts.get(account) ?? 0) + 1);
    return counts;
  };

  it('an account that asks much leaves room for the others, and all together are bounded', async () => {
    const counts = await sampled([
      ['busy', 100_000],
      ['quiet', 3],
    ]);
    expect([...counts]).toEqual([
      ['busy', 20],
      ['quiet', 3],
    ]);
    const many = await sampled(Array.from({ length: 100 }, (_, n) => [`account-${n}`, 100] as [string, number]));
    expect([...many.values()].reduce((sum, count) => sum + count, 0)).toBe(200);
  });
});
