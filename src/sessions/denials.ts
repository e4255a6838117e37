import { Counter } from 'prom-client';

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
export function createDenials() {
  const counter = new Counter({
    name: 'thingward_edge_denials_total',
    help: 'What edges report that they denied, by reason',
    labelNames: ['reason'],
    registers: [],
  });
  return {
    metrics: [counter],
    count(counts: Record<string, number>): void {
      for (const [reason, count] of Object.entries(counts))
        counter.inc({ reason: reasons.has(reason) ? reason : 'other' }, count);
    },
  };
}
