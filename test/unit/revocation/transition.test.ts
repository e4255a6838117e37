import { describe, expect, it } from 'vitest';
import { reasonCodes, type RevocationReason } from '../../../src/pki/crl.js';
import { transitionOf } from '../../../src/revocation/transition.js';

const reasons = Object.keys(reasonCodes) as RevocationReason[];

describe('what becomes of a revocation', () => {
  it('a live certificate is revoked for any reason, and the same reason again changes nothing', () => {
    for (const reason of reasons) {
      expect(transitionOf(null, reason)).toBe('revoke');
      expect(transitionOf(reason, reason)).toBe('repeat');
    }
  });

  it('a hold becomes anything, anything a compromised key, and nothing else changes', () => {
    const changes = reasons.flatMap((from) =>
      reasons.filter((to) => to !== from && transitionOf(from, to) === 'change').map((to) => `${from} ${to}`),
    );
    const expected = reasons.flatMap((from) =>
      reasons
        .filter((to) => to !== from && (from === 'certificateHold' || to === 'keyCompromise'))
        .map((to) => `${from} ${to}`),
    );
    expect(changes).toEqual(expected);
    expect(changes).toHaveLength(11);
  });
});
