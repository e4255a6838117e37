import { DomainError } from '../../errors.js';
import { decodeCsr } from '../../pki/csr/csr.js';
import type { Manufactured } from './manufactured.js';

/** A device that a certificate of its manufacturer proves, and the enrollment that admits it. */
export type ProvenDevice = { enrollmentId: string; tokenHash: Buffer; manufactured: Manufactured };

/** How devices prove what they are. */
export type Manufacturers = {
  /** By a JWT for one request (DER). @throws DomainError `invalid-client`, `manufacturer-refused` and others */
  byProof(jwt: string, csr: Buffer): Promise<ProvenDevice>;
  /** By what TLS proved; undefined where the enrollment asks for none. @throws DomainError `manufacturer-refused` and others */
  byConnection(enrollmentId: string, certificates: Buffer[]): Promise<ProvenDevice | undefined>;
};

/** What a device without a token sent. */
export type SentProof = {
  jwt: string | undefined;
  /** Its certificate and those behind it, as TLS proved them. */
  certificates: Buffer[];
  enrollment: string | undefined;
  csr: string | undefined;
};

/** Returns the function that finds who sends a first boot without a token. */
export function createProving({ byProof, byConnection }: Manufacturers) {
  /** @throws DomainError `missing-credential`, `invalid-request`, `bad-csr`, and those of proving */
  return async ({ jwt, certificates, enrollment, csr }: SentProof): Promise<ProvenDevice> => {
    if (jwt !== undefined) {
      if (csr !== undefined) return byProof(jwt, decodeCsr(csr));
      throw new DomainError('invalid-request', 'body/csr: a proof is for one csr, so send that with it');
    }
    if (certificates.length === 0)
      throw new DomainError('missing-credential', 'show the certificate of the manufacturer, or send a proof');
    if (enrollment === undefined)
      throw new DomainError('invalid-request', 'body/enrollment: name the enrollment that admits the device');
    const proven = await byConnection(enrollment, certificates);
    if (proven) return proven;
    throw new DomainError('invalid-client', `there is no enrollment ${enrollment} of kind ca: mend the id`);
  };
}
