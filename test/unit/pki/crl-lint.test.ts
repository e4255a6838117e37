import { randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { draftCrl, encodeCrlEntry, type CrlHeader } from '../../../src/pki/crl.js';
import { lintCrl, requireNothingDropped, type CrlIndex } from '../../../src/pki/crl-lint.js';
import type { Issuer } from '../../../src/pki/issuer.js';
import { createAuthority } from '../../support/pki/authority.js';

const now = new Date('2026-11-21T12:00:00Z');
const header: CrlHeader = { number: 5n, thisUpdate: now, nextUpdate: new Date(now.getTime() + 7 * 86_400_000) };

function finish<Result>(work: Generator<void, Result>): Result {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

describe('the lint before a list is published', () => {
  let issuer: Issuer;
  let other: Issuer;
  beforeAll(async () => {
    issuer = (await createAuthority('lint', 'ec-p256', now)).issuing;
    other = (await createAuthority('other', 'ec-p256', now)).issuing;
  });

  const entry = (revokedAt = now) =>
    encodeCrlEntry({ serialNumber: `01${randomBytes(19).toString('hex')}`, revokedAt, reason: 'keyCompromise' });

  function list(entries: Buffer[], given: CrlHeader = header, by = issuer): Buffer {
    const bytes = Buffer.concat(entries);
    const draft = draftCrl(by, given, bytes.length);
    draft.entries.set(bytes);
    return draft.finish(by.signer.sign(draft.tbs));
  }
  const lint = (der: Buffer, entries: number, expected: CrlHeader = header): CrlIndex =>
    finish(lintCrl({ der, issuer, header: expected, entries, now, maxSeconds: 8 * 86_400 }));

  it('lets good lists pass: empty, full, sharded, delta', () => {
    expect(() => lint(list([]), 0)).not.toThrow();
    expect(() => lint(list([entry(), entry(), entry()]), 3)).not.toThrow();
    const shard = { ...header, distributionPoint: 'http://127.0.0.1/crl/1.crl' };
    expect(() => lint(list([entry()], shard), 1, shard)).not.toThrow();
    const delta = { ...header, baseNumber: 4n };
    const removed = encodeCrlEntry({ serialNumber: '01'.repeat(20), revokedAt: now, reason: 'removeFromCRL' });
    expect(() => lint(list([removed], delta), 1, delta)).not.toThrow();
    expect(() => lint(list([removed]), 1)).toThrow('reason of an entry');
  });

  it('refuses a list that is not what was meant', () => {
    const [one, two] = [entry(), entry()];
    expect(() => lint(list([one, two, one]), 3)).toThrow('twice');
    expect(() => lint(list([one, two]), 3)).toThrow('number of entries');
    expect(() => lint(list([one], header, other), 1)).toThrow('issuer name');
    expect(() => lint(list([one], { ...header, number: 6n }), 1)).toThrow('extensions');
    expect(() => lint(list([one], { ...header, distributionPoint: 'http://127.0.0.1/x' }), 1)).toThrow('extensions');
    expect(() => lint(list([one], { ...header, baseNumber: 1n }), 1)).toThrow('extensions');
    const future = { ...header, thisUpdate: new Date(now.getTime() + 1000) };
    expect(() => lint(list([one], future), 1, future)).toThrow('thisUpdate');
    for (const later of [now.getTime() + 1000, Date.UTC(2049, 11, 31), Date.UTC(2050, 0, 1)])
      expect(() => lint(list([one, entry(new Date(later))]), 2)).toThrow('after thisUpdate');
    for (const earlier of [now.getTime(), now.getTime() - 1000, Date.UTC(1999, 11, 31), 0])
      expect(() => lint(list([one, entry(new Date(earlier))]), 2)).not.toThrow();
    const long = { ...header, nextUpdate: new Date(now.getTime() + 9 * 86_400_000) };
    expect(() => lint(list([one], long), 1, long)).toThrow('nextUpdate');
  });

  it('refuses almost every list of which one octet was changed, and never fails in another way', () => {
    const good = list([entry(), entry(), entry()]);
    let refused = 0;
    for (let at = 0; at < good.length; at++) {
      const bent = Buffer.from(good);
      bent[at]! ^= 0xff;
      try {
        lint(bent, 3);
      } catch (error) {
        expect((error as Error).message).toMatch(/^lint of the list: /);
        refused++;
      }
    }
    // What may pass: digits of serial numbers and dates, and the signature, which is verified apart.
    console.log(`lint: ${refused} of ${good.length} changed octets refused`);
    expect(refused).toBeGreaterThan(good.length / 3);
  });

  it('nothing may be dropped but what has expired or was released', () => {
    const [one, two, three] = [entry(), entry(), entry()];
    const previous = list([one, two, three]);
    const next = lint(list([one, three]), 2);
    const serial = two.toString('hex', 4, 24);
    expect(() => finish(requireNothingDropped(previous, next, () => false))).toThrow(serial);
    expect(() => finish(requireNothingDropped(previous, next, (each) => each === serial))).not.toThrow();
    expect(() => finish(requireNothingDropped(list([]), next, () => false))).not.toThrow();
  });
});
