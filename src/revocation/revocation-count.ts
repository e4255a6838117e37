import { Counter } from 'prom-client';
import type { Follower } from '../door.js';
import { reasonCodes } from '../pki/crl.js';

/**
 * Counts revocations by reason as they are read from the log, whoever made them and by whatever route. Every instance counts
 * all of them: add up nothing, take the highest.
 */
export function createRevocationCount() {
  const counter = new Counter({
    name: 'thingward_revocations_total',
    help: 'Revocations of certificates that this instance read from the log, by reason',
    labelNames: ['reason'],
    registers: [],
  });
  // A rate needs a first value to rise from.
  for (const reason of Object.keys(reasonCodes)) counter.inc({ reason }, 0);
  const follower: Follower = {
    apply(entry) {
      if (entry.type === 'certificate') counter.inc({ reason: entry.payload.reason });
    },
    // What was counted was read, whatever log is read next.
    clear() {},
  };
  return {
    metrics: [counter],
    follower,
  };
}
