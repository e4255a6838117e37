import { createHash } from 'node:crypto';
import { wholeSeconds, type Clock } from '../clock.js';
import { DomainError } from '../errors.js';
import type { Origin } from '../origin.js';
import type { IssueCertificate } from './store.js';
import type { PublicKey } from '../pki/public-key.js';
import type { HeldCertificate, RegisteredThing } from '../registry.js';
import type { Renewal, RenewalStore } from './renewal-store.js';
import type { RenewRequest } from './schema.js';
import { deviceValidity, keyBarred, keyInUse } from './service.js';

type Proof = { certificate: HeldCertificate; claims: Record<string, unknown>; until: Date };

type Deps = {
  store: RenewalStore;
  clock: Clock;
  signing(account: string): Promise<{ issuerId: string; issue: IssueCertificate; nextIndex(): Promise<bigint> }>;
  parseCsr(pem: string, account: string, thingName: string): { der: Buffer; publicKey: PublicKey };
  verifyProof(proof: string): Promise<Proof>;
  useUp(proof: Proof): Promise<void>;
  markUsed(certificate: HeldCertificate, origin: Origin, at: Date): Promise<void>;
};

export type RenewalService = ReturnType<typeof createRenewalService>;

export function createRenewalService({ store, clock, signing, parseCsr, verifyProof, useUp, markUsed }: Deps) {
  return {
    /**
     * A certificate for a new key, on the proof of the present one. The same old key and the same CSR
     * give the same bytes; the old certificate stays good until the new one is first used. While a re-enrollment is
     * open or its certificate unused, nothing older renews.
     * @throws DomainError `invalid-client`, `bad-csr`, `bad-key`, `key-in-use`, `certificate-revoked`, `conflict`
     */
    async renew({ csr, proof: jwt }: RenewRequest, origin: Origin): Promise<Renewal & { thing: RegisteredThing }> {
      const proof = await verifyProof(jwt);
      const { thing, ...renews } = proof.certificate;
      const { der, publicKey } = parseCsr(csr, thing.account, thing.name);
      requireBound(proof, der);
      const actor: Origin = { ...origin, actor: `thing:${thing.name}` };
      const spkiSha256 = createHash('sha256').update(publicKey.spki).digest('hex');
      if (await store.isReenrolling(proof.certificate, clock())) throw reenrolling();
      const earlier = await store.find(renews.serialNumber, spkiSha256);
      if (earlier) return { ...earlier, thing };
      await useUp(proof);
      await markUsed(proof.certificate, actor, clock());
      const { issuerId, issue, nextIndex } = await signing(thing.account);
      const at = clock();
      const request = {
        account: thing.account,
        thingName: thing.name,
        publicKey,
        validity: deviceValidity(wholeSeconds(at)),
        index: await nextIndex(),
      };
      const renewal = await store.insert({
        at,
        origin: actor,
        renews: proof.certificate,
        certificate: issue(request),
        issuerId,
        spkiSha256,
      });
      if (renewal === 'key-in-use') throw keyInUse();
      if (renewal === 're-enrolling') throw reenrolling();
      if (renewal === 'key-barred') throw keyBarred();
      if (renewal === 'revoked')
        throw new DomainError(
          'certificate-revoked',
          'the certificate was revoked meanwhile: ask an operator to re-enroll the thing',
        );
      if (renewal === 'too-many')
        throw new DomainError('conflict', 'too many renewals of this thing were never used: use the last one you got');
      return { ...renewal, thing };
    },
  };
}

function reenrolling(): DomainError {
  return new DomainError(
    'conflict',
    'an operator is re-enrolling the thing, so its older certificates are not renewed: provision with the new enrollment token',
  );
}

/** The proof names the request it is for by the SHA-256 of its DER, base64url or hex. */
function requireBound({ claims }: Proof, csr: Buffer): void {
  const digest = createHash('sha256').update(csr).digest();
  const named = claims['csr_sha256'];
  if (named === digest.toString('base64url') || named === digest.toString('hex')) return;
  throw new DomainError(
    'invalid-client',
    'the proof was refused: csr_sha256 must be the base64url SHA-256 of the DER of the csr',
    { error: 'invalid_client' },
  );
}
