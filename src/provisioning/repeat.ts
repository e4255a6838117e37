import { addSeconds, type Clock } from '../clock.js';
import { DomainError } from '../errors.js';
import { notActive } from './refusals.js';
import type { Provisioned } from './asked.js';
import type { ProvisionRecord } from './record-sql.js';
import type { ProvisioningStore, RepeatOf } from './store.js';

/** How long the answer to a first boot is given again to an equal request, also once its enrollment has expired. */
export const repeatSeconds = 24 * 3600;

/** What a request has in common with every repetition of it. */
export function sameAs({ enrollmentId, thing, spkiSha256 }: ProvisionRecord): RepeatOf {
  return { enrollmentId, account: thing.account, name: thing.name, spkiSha256 };
}

/**
 * The answer that an equal request got before, with the next token of its family while none was ever used; undefined
 * when there was none after `since`, a day ago by default. @throws DomainError `thing-not-active`, `certificate-revoked`
 */
export async function repeat(
  { store, clock }: { store: ProvisioningStore; clock: Clock },
  of: RepeatOf,
  since = addSeconds(clock(), -repeatSeconds),
): Promise<Provisioned | undefined> {
  const at = clock();
  const found = await store.findRepeat(of, since);
  if (!found) return undefined;
  const { thing, certificate } = found;
  // A certificate may live shorter than its answer is remembered.
  if (certificate.notAfter <= at) return undefined;
  if (thing.status !== 'active') throw notActive(thing);
  if (found.revoked)
    throw new DomainError(
      'certificate-revoked',
      'the certificate that this request returned was revoked: ask an operator to re-enroll the thing',
    );
  const family = found.used ? undefined : await store.nextToken(certificate.serialNumber, at);
  return { created: false, thing, certificate, ...(family ? { family } : {}) };
}
