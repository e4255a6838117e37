import { hash } from 'node:crypto';
import { compactVerify } from 'jose';
import { numericDate, rfc3339, type Clock } from '../clock.js';
import { DomainError } from '../errors.js';
import type { PublicKey } from '../pki/public-key.js';
import { mostSent } from '../pki/manufacturer/path.js';
import { readStrictJwt } from '../pki/strict-jwt.js';

/** A `provision+jwt` as its claims were judged. Who signed it is not known yet. */
export type ProvisionProof = {
  enrollmentId: string;
  /** The certificate of the device, and those behind it. */
  certificates: Buffer[];
  jti: string;
  until: Date;
  /** Refuses another request than the one it is for. @throws DomainError `invalid-client` */
  requireFor(csr: Buffer): void;
  /** @throws DomainError `invalid-client` */
  requireSignedBy(key: PublicKey): Promise<void>;
};

const maxLifeSeconds = 300;
/** How far the clocks of devices may be off. */
export const leewaySeconds = 30;
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const algorithms: Record<PublicKey['family'], string[]> = {
  'ec-p256': ['ES256'],
  'ec-p384': ['ES384'],
  ed25519: ['EdDSA', 'Ed25519'],
  rsa: ['RS256', 'PS256'],
};

export type ReadProof = ReturnType<typeof createProofReader>;

/** Reads the JWTs by which devices prove the certificates of their manufacturers (RFC 7515 §4.1.6, RFC 7519). */
export function createProofReader({ clock, issuer }: { clock: Clock; issuer: string }) {
  const refuse = (why: string) =>
    new DomainError('invalid-client', `the proof was refused: ${why}`, {
      error: 'invalid_client',
      serverTime: rfc3339(clock()),
    });

  const read = (jwt: string) => {
    try {
      return readStrictJwt(jwt, ['x5c']);
    } catch (error) {
      throw refuse((error as Error).message);
    }
  };

  const endOf = ({ exp, nbf, iat }: Record<string, unknown>): number => {
    const now = numericDate(clock());
    if (!isTime(exp)) throw refuse('it must have exp');
    for (const [name, value] of Object.entries({ nbf, iat }))
      if (value !== undefined && (!isTime(value) || value > now + leewaySeconds))
        throw refuse(`its ${name} is in the future`);
    if (exp > now + maxLifeSeconds + leewaySeconds) throw refuse('its exp must be at most 5 minutes away');
    if (exp <= now - leewaySeconds) throw refuse('it has expired');
    return exp;
  };

  const certificatesOf = (x5c: unknown): Buffer[] => {
    const { certificates, octets } = mostSent;
    if (!Array.isArray(x5c) || x5c.length === 0 || x5c.length > certificates)
      throw refuse(`its x5c must have 1 to ${certificates} certificates`);
    return x5c.map((text: unknown) => {
      const bytes = typeof text === 'string' && text.length <= 2 * octets ? Buffer.from(text, 'base64') : undefined;
      if (!bytes || bytes.length === 0 || bytes.toString('base64') !== text)
        throw refuse('its x5c must be certificates in base64, not base64url (RFC 7515 §4.1.6)');
      return bytes;
    });
  };

  /** @throws DomainError `invalid-client` */
  return (jwt: string): ProvisionProof => {
    const { header, claims } = read(jwt);
    const { aud, jti, csr_sha256: bound, enrollment = claims['sub'] } = claims;
    if (header['typ'] !== 'provision+jwt') throw refuse('its typ must be provision+jwt');
    if (!isAudience(aud, issuer)) throw refuse(`its aud must be ${issuer}, and nothing else`);
    if (typeof enrollment !== 'string' || !uuid.test(enrollment))
      throw refuse('its claim enrollment must be the id of an enrollment');
    if (typeof jti !== 'string' || jti.length === 0 || jti.length > 256)
      throw refuse('its jti must be 1 to 256 characters');
    return {
      enrollmentId: enrollment,
      certificates: certificatesOf(header['x5c']),
      jti,
      until: new Date(endOf(claims) * 1000),
      requireFor(csr) {
        const digest = hash('sha256', csr, 'buffer');
        if (bound === digest.toString('base64url') || bound === digest.toString('hex')) return;
        throw refuse('csr_sha256 must be the base64url SHA-256 of the DER of the csr');
      },
      async requireSignedBy({ key, family }) {
        const isSigned = await compactVerify(jwt, key, { algorithms: algorithms[family] }).then(
          () => true,
          () => false,
        );
        if (!isSigned) throw refuse('it was not signed by the key of the first certificate of its x5c');
      },
    };
  };
}

const isTime = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

/** The server, or the route, alone. */
function isAudience(audience: unknown, issuer: string): boolean {
  const only: unknown = Array.isArray(audience) && audience.length === 1 ? audience[0] : audience;
  return only === issuer || only === `${issuer}/v1/provision`;
}
