import { Counter } from 'prom-client';
import type { Count } from '../figures/counters.js';

// Labels are few, whatever edges say.
const reasons = new Set([
  'no-matching-statement',
  'outside-time-window',
  'token-invalid',
  'token-expired',
  'token-revoked',
  'binding-mismatch',
  'certificate-revoked',
  'certificate-superseded',
  'certificate-expired',
  'thing-suspended',
  'thing-revoked',
  'unknown-principal',
  'outside-segment',
  'malformed-resource',
  'cannot-decide',
]);

/** What edges denied, by reason; denials by a statement, and reasons of later versions, are `other`. */
export function createDenials(figure: Count) {
  const counter = new Counter({
    name: 'thingward_edge_denials_total',
    help: 'What edges report that they denied, by reason',
    labelNames: ['reason'],
    registers: [],
  });
  return {
    metrics: [counter],
    count(account: string, edge: string, counts: Record<string, number>): void {
      for (const [said, count] of Object.entries(counts)) {
        const reason = reasons.has(said) ? said : 'other';
        counter.inc({ reason }, count);
        figure(account, 'decisions.deny', edge, count);
        figure(account, 'decisions.denyReasons', reason, count);
      }
    },
  };
}
