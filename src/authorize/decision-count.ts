import { Counter } from 'prom-client';
import type { Verdict } from './judge.js';

/** Counts decisions by result and reason: a plain number for each, because this is on the way of every answer. */
export function createDecisionCount() {
  const allowed = new Map<string, number>();
  const denied = new Map<string, number>();
  const counter: Counter<'decision' | 'reason'> = new Counter({
    name: 'thingward_decisions_total',
    help: 'Decisions of this instance, by result and reason',
    labelNames: ['decision', 'reason'],
    registers: [],
    collect() {
      counter.reset();
      for (const [reason, count] of allowed) counter.inc({ decision: 'allow', reason }, count);
      for (const [reason, count] of denied) counter.inc({ decision: 'deny', reason }, count);
    },
  });
  // A rate needs a first value to rise from.
  allowed.set('statement', 0);
  denied.set('statement', 0);
  return {
    metrics: [counter],
    note({ allowed: isAllowed, refusal }: Verdict): void {
      const counts = isAllowed ? allowed : denied;
      const reason = refusal ?? 'statement';
      counts.set(reason, (counts.get(reason) ?? 0) + 1);
    },
  };
}
