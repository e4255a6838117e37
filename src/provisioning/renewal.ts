import { hash } from 'node:crypto';
import { wholeSeconds, type Clock } from '../clock.js';
import { DomainError, type ErrorCode } from '../errors.js';
import type { SigningAuthority } from '../issuers/signing.js';
import type { Origin } from '../origin.js';
import type { HeldCertificate, RegisteredThing } from '../registry.js';
import type { RenewFor } from './asked.js';
import { keyOfCsr } from './device-key.js';
import { keyBarred, keyInUse } from './refusals.js';
import type { Renewal, RenewalRefusal, RenewalStore } from './renewal-store.js';
import { deviceValidity } from './issue.js';

type Deps = {
  store: RenewalStore;
  clock: Clock;
  /** How long the next certificate of a thing lives, in seconds. */
  nextLifeOf(thingId: string): Promise<number>;
  signing(account: string): Promise<Pick<SigningAuthority, 'issuerId' | 'issue' | 'nextIndex'>>;
  markUsed(certificate: HeldCertificate, origin: Origin, at: Date): Promise<void>;
  /** Told why a thing whose device asked to renew did not get a certificate. */
  renewalRefused(thingId: string, reason: string): Promise<void>;
};

/** A renewal, and for which thing. */
export type Renewed = Renewal & { thing: RegisteredThing };

/**
 * Returns the function that gives a certificate for a new key to the holder of one. The same old key and the same CSR
 * give the same bytes; the old certificate stays good until the new one is first used. Once it has expired, only the
 * newest of its thing renews, for as long as the enrollment or account allows. While a re-enrollment is open
 * or its certificate unused, nothing older renews.
 */
export function createRenewFor({ store, clock, signing, nextLifeOf, markUsed, renewalRefused }: Deps) {
  const renewFor = async ({ holder, csr, withoutKey, spend }: RenewFor, origin: Origin): Promise<Renewed> => {
    const { thing } = holder;
    const { account, name } = thing;
    const publicKey = keyOfCsr(csr, thing);
    const actor: Origin = withoutKey ? origin : { ...origin, actor: `thing:${name}` };
    const spkiSha256 = hash('sha256', publicKey.spki);
    if (await store.isReenrolling(holder, clock())) throw refusal('re-enrolling');
    const earlier = await store.find(holder.serialNumber, spkiSha256);
    if (earlier) return { ...earlier, thing };
    const late = await store.lateRefusal(holder, clock());
    if (late) throw refusal(late);
    await spend();
    if (!withoutKey) await markUsed(holder, actor, clock());
    const { issuerId, issue, nextIndex } = await signing(account);
    const life = await nextLifeOf(thing.id);
    const at = clock();
    const validity = deviceValidity(wholeSeconds(at), life);
    const certificate = issue({ account, thingName: name, publicKey, validity, index: await nextIndex() });
    const renewal = await store.insert({ at, origin: actor, renews: holder, certificate, issuerId, spkiSha256 });
    if (typeof renewal === 'string') throw refusal(renewal);
    return { ...renewal, thing };
  };

  /** @throws DomainError `bad-csr`, `bad-key`, `key-in-use`, `certificate-revoked`, `conflict` */
  return (asked: RenewFor, origin: Origin): Promise<Renewed> =>
    renewFor(asked, origin).catch(async (error: unknown) => {
      if (error instanceof DomainError && finalCodes.includes(error.code))
        await renewalRefused(asked.holder.thing.id, error.message);
      throw error;
    });
}

/** What the same request would be refused with again. */
const finalCodes: ErrorCode[] = [
  'bad-csr',
  'bad-key',
  'key-in-use',
  'certificate-revoked',
  'conflict',
  'invalid-client',
];

function refusal(why: RenewalRefusal): DomainError {
  switch (why) {
    case 'key-in-use':
      return keyInUse();
    case 'key-barred':
      return keyBarred();
    case 're-enrolling':
      return new DomainError(
        'conflict',
        'an operator is re-enrolling the thing, so its older certificates are not renewed: provision with the new enrollment token',
      );
    case 'revoked':
      return new DomainError(
        'certificate-revoked',
        'the certificate was revoked meanwhile: ask an operator to re-enroll the thing',
      );
    case 'expired':
      return new DomainError(
        'invalid-client',
        'the certificate has expired, and can be renewed no more: ask an operator to re-enroll the thing',
        { error: 'invalid_client' },
      );
    case 'not-newest':
      return new DomainError(
        'conflict',
        'the certificate has expired, and the thing has a newer one: renew with that, or send the csr that you got it for; if its key is lost, ask an operator to re-enroll the thing',
      );
    case 'too-many':
      return new DomainError('conflict', 'too many renewals of this thing were never used: use the last one');
  }
}
