import { hash, randomUUID } from 'node:crypto';
import { addSeconds, wholeSeconds, type Clock } from '../clock.js';
import type { StoredEnrollment } from '../enrollments/store.js';
import type { SigningAuthority } from '../issuers/signing.js';
import type { Origin } from '../origin.js';
import type { PublicKey } from '../pki/public-key.js';
import type { RegisteredThing } from '../registry.js';
import type { Admitted } from './admission/check.js';
import type { FirstBoot } from './asked.js';
import type { ProvisionRecord, RefreshFamily } from './record-sql.js';

/** What it takes to sign a first certificate. */
export type IssueDeps = {
  clock: Clock;
  signing(account: string): Promise<Pick<SigningAuthority, 'issuerId' | 'issue' | 'nextIndex'>>;
  newFamily(notAfter: Date): RefreshFamily;
  /** How long a certificate under an enrollment lives, in seconds. */
  lifeUnder(enrollment: StoredEnrollment): Promise<number>;
};

/** The validity of a certificate that is issued now: its life, and an hour back for devices whose clock is slow. */
export const deviceValidity = (at: Date, seconds: number) => ({
  notBefore: addSeconds(at, -3600),
  notAfter: addSeconds(at, seconds),
});

/** Signs in memory: nobody holds what is made here until it was recorded. */
export async function prepare(
  { signing, clock, newFamily, lifeUnder }: IssueDeps,
  { enrollment, asked, expected }: Admitted,
  publicKey: PublicKey,
  origin: Origin,
): Promise<ProvisionRecord> {
  const { account } = enrollment;
  const { issue, issuerId, nextIndex } = await signing(account);
  const at = clock();
  const index = await nextIndex();
  const validity = deviceValidity(wholeSeconds(at), await lifeUnder(enrollment));
  const certificate = issue({ account, thingName: asked.name, publicKey, validity, index });
  return {
    at,
    origin,
    enrollmentId: enrollment.id,
    thing: newThing(enrollment, asked, at),
    certificate,
    issuerId,
    spkiSha256: hash('sha256', publicKey.spki),
    family: newFamily(certificate.notAfter),
    expected,
    acmeAccountId: asked.acmeAccountId ?? null,
    manufactured: asked.manufactured ?? null,
  };
}

/** The thing that a device becomes under an enrollment. */
export function newThing(enrollment: StoredEnrollment, asked: FirstBoot, createdAt: Date): RegisteredThing {
  const { account, thingType, policies, segment } = enrollment;
  return {
    id: randomUUID(),
    account,
    name: asked.name,
    thingType,
    // The enrollment's attributes win over the device's: they decide rights.
    attributes: { ...asked.attributes, ...enrollment.attributes },
    policies,
    segment,
    status: 'active',
    gen: 1,
    minGen: 1,
    createdAt,
  };
}
