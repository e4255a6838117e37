import { Counter } from 'prom-client';
import type { Count } from '../figures/counters.js';
import type { Verdict } from './judge.js';

/**
 * Counts decisions by result and reason: a plain number for each, because this is on the way of every answer. `count` keeps them
 * by account too.
 */
export function createDecisionCount(count: Count) {
  const allowed = new Map<string, number>();
  const denied = new Map<string, number>();
  const counter: Counter<'decision' | 'reason'> = new Counter({
    name: 'thingward_decisions_total',
    help: 'Decisions of this instance, by result and reason',
    labelNames: ['decision', 'reason'],
    registers: [],
    collect() {
      counter.reset();
      for (const [reason, times] of allowed) counter.inc({ decision: 'allow', reason }, times);
      for (const [reason, times] of denied) counter.inc({ decision: 'deny', reason }, times);
    },
  });
  // A rate needs a first value to rise from.
  allowed.set('statement', 0);
  denied.set('statement', 0);
  return {
    metrics: [counter],
    note(account: string, { allowed: isAllowed, refusal }: Verdict): void {
      const counts = isAllowed ? allowed : denied;
      const reason = refusal ?? 'statement';
      counts.set(reason, (counts.get(reason) ?? 0) + 1);
      count(account, isAllowed ? 'decisions.allow' : 'decisions.deny');
      if (!isAllowed) count(account, 'decisions.denyReasons', reason);
    },
  };
}
