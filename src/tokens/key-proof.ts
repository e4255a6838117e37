import { hash, X509Certificate } from 'node:crypto';
import { jwtVerify } from 'jose';
import type { Clock } from '../clock.js';
import { DomainError } from '../errors.js';
import { readStrictJwt } from '../pki/strict-jwt.js';

const maxAge = '1h';

/**
 * Returns the function that judges proofs of a compromised key: JWTs of `typ` key-compromise+jwt for this audience,
 * made within the hour and signed by the key of a certificate, whether that is revoked or not.
 */
export function createKeyProofVerifier({ clock, audience }: { clock: Clock; audience: string }) {
  /** The SHA-256 of the key that was proved. @throws DomainError `invalid-request` */
  return async (proof: string, certificateDer: Buffer): Promise<Buffer> => {
    const { publicKey } = new X509Certificate(certificateDer);
    const options = { typ: 'key-compromise+jwt', audience, maxTokenAge: maxAge, currentDate: clock() };
    const verified = async () => {
      readStrictJwt(proof);
      await jwtVerify(proof, publicKey, options);
    };
    await verified().catch(() => {
      throw new DomainError(
        'invalid-request',
        `proof: must be a JWT of typ key-compromise+jwt with aud ${audience} and iat, made within the hour and signed by the key of lineageOf`,
      );
    });
    return hash('sha256', publicKey.export({ type: 'spki', format: 'der' }), 'buffer');
  };
}
