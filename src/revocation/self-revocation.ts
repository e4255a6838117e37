import { DomainError } from '../errors.js';
import type { Origin } from '../origin.js';
import type { RevocationReason } from '../pki/crl.js';
import type { HeldCertificate } from '../registry.js';
import { finalReason } from './schema.js';
import type { ThingRevocation } from './whole-thing.js';

type Proof = { certificate: HeldCertificate; claims: Record<string, unknown>; until: Date };

type Deps = {
  /** Judges a JWT of `typ` revoke+jwt. @throws DomainError `invalid-client` */
  verifyProof(proof: string): Promise<Proof>;
  useUp(proof: Proof): Promise<void>;
  revoke(certificate: HeldCertificate, reason: RevocationReason, origin: Origin): Promise<ThingRevocation>;
};

export type RevokeSelf = ReturnType<typeof createSelfRevocation>;

/** Returns the function by which a device that proves its key revokes its thing, for the reason that the proof carries. */
export function createSelfRevocation({ verifyProof, useUp, revoke }: Deps) {
  /** @throws DomainError `invalid-client`, `invalid-request` */
  return async (jwt: string, origin: Origin): Promise<ThingRevocation & { account: string }> => {
    const proof = await verifyProof(jwt);
    const reason = finalReason.safeParse(proof.claims['reason']);
    if (!reason.success)
      throw new DomainError('invalid-request', `proof: its reason must be one of ${finalReason.options.join(', ')}`);
    await useUp(proof);
    const { thing } = proof.certificate;
    const done = await revoke(proof.certificate, reason.data, { ...origin, actor: `thing:${thing.name}` });
    return { ...done, account: thing.account };
  };
}
