import { hash } from 'node:crypto';
import { DomainError } from '../errors.js';
import type { Origin } from '../origin.js';
import { decodeCsr } from '../pki/csr/csr.js';
import type { HeldCertificate } from '../registry.js';
import type { RenewFor } from './asked.js';
import type { Renewed } from './renewal.js';

type Proof = { certificate: HeldCertificate; claims: Record<string, unknown>; until: Date };

type Deps = {
  /** Judges a JWT of `typ` renew+jwt. @throws DomainError `invalid-client` */
  verifyProof(proof: string): Promise<Proof>;
  useUp(proof: Proof): Promise<void>;
  renewFor(asked: RenewFor, origin: Origin): Promise<Renewed>;
};

/** Returns the function that renews on the word of a JWT, which the present key signed for one request. */
export function createRenewalByProof({ verifyProof, useUp, renewFor }: Deps) {
  /** `csr` is PEM or base64 of DER. @throws DomainError `invalid-client`, and those of renewing */
  return async (sent: { csr: string; proof: string }, origin: Origin): Promise<Renewed> => {
    const proof = await verifyProof(sent.proof);
    const csr = decodeCsr(sent.csr);
    requireBound(proof, csr);
    return renewFor({ holder: proof.certificate, csr, spend: () => useUp(proof) }, origin);
  };
}

/** The proof names the request it is for by the SHA-256 of its DER, base64url or hex. */
function requireBound({ claims }: Proof, csr: Buffer): void {
  const digest = hash('sha256', csr, 'buffer');
  const named = claims['csr_sha256'];
  if (named === digest.toString('base64url') || named === digest.toString('hex')) return;
  throw new DomainError(
    'invalid-client',
    'the proof was refused: csr_sha256 must be the base64url SHA-256 of the DER of the csr',
    { error: 'invalid_client' },
  );
}
