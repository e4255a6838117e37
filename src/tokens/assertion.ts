import { createHash, X509Certificate } from 'node:crypto';
import { decodeProtectedHeader, errors, jwtVerify, type JWTPayload } from 'jose';
import { LRUCache } from 'lru-cache';
import { addSeconds, numericDate, rfc3339, type Clock } from '../clock.js';
import { DomainError } from '../errors.js';
import type { HeldCertificate } from '../registry.js';

type Deps = {
  clock: Clock;
  /** What `aud` must name. */
  audience: string;
  findCertificate(fingerprint: string): Promise<HeldCertificate | undefined>;
  /** False when this was used before. */
  useOnce(hash: Buffer, expiresAt: Date): Promise<boolean>;
};

/** What a JWT is for, said in its `typ`, so that one can never serve as the other. */
export type AssertionType = 'client-authentication+jwt' | 'renew+jwt';

export type Assertion = { certificate: HeldCertificate; claims: JWTPayload };

const maxLifeSeconds = 300;
const leewaySeconds = 30;

export type AssertionVerifier = ReturnType<typeof createAssertionVerifier>;

/** Judges JWTs that devices sign with the key of a live certificate (RFC 7523 §3). */
export function createAssertionVerifier({ clock, audience, findCertificate, useOnce }: Deps) {
  const lately = new LRUCache<string, true>({ max: 10_000 });
  const refuse = (why: string) =>
    new DomainError('invalid-client', `the assertion was refused: ${why}`, {
      error: 'invalid_client',
      serverTime: rfc3339(clock()),
    });

  const findLive = async (jwt: string): Promise<HeldCertificate> => {
    const certificate = await findCertificate(fingerprintOf(jwt) ?? '');
    if (!certificate) throw refuse('its header must name a certificate of ours by x5t#S256');
    if (certificate.revokedAt) throw refuse('the certificate that it names was revoked or superseded');
    if (certificate.notAfter <= clock())
      throw refuse('the certificate that it names has expired: ask an operator to re-enroll the thing');
    if (certificate.thing.status !== 'active') throw refuse(`the thing is ${certificate.thing.status}`);
    if (!certificate.accountActive) throw refuse('the account is suspended');
    return certificate;
  };

  const check = async (jwt: string, typ: AssertionType, { der, thing }: HeldCertificate): Promise<JWTPayload> => {
    const key = new X509Certificate(der).publicKey;
    const subject = `${thing.account}/${thing.name}`;
    try {
      const options = {
        typ,
        audience,
        issuer: subject,
        subject,
        currentDate: clock(),
        clockTolerance: leewaySeconds,
        requiredClaims: ['exp', 'jti'],
      };
      return (
        await jwtVerify(jwt, key, {
          ...options,
          algorithms: algorithmsOf(key.asymmetricKeyType, key.asymmetricKeyDetails?.namedCurve),
        })
      ).payload;
    } catch (error) {
      if (error instanceof errors.JOSEError) throw refuse(error.message);
      throw refuse('it is not a JWT signed by the key of that certificate');
    }
  };

  return {
    /** The certificate and claims of a device that proves its key. The `jti` is not judged. @throws DomainError `invalid-client` */
    async verify(jwt: string, typ: AssertionType): Promise<Assertion> {
      const certificate = await findLive(jwt);
      const claims = await check(jwt, typ, certificate);
      if (typeof claims.jti !== 'string' || claims.jti.length === 0 || claims.jti.length > 256)
        throw refuse('its jti must be 1 to 256 characters');
      if (claims.exp! > numericDate(clock()) + maxLifeSeconds + leewaySeconds)
        throw refuse('its exp must be at most 5 minutes away');
      lately.set(certificate.fingerprint, true);
      return { certificate, claims };
    },

    /** Whether a JWT names a certificate that signed something good lately. Nothing is looked up. */
    recognises: (jwt: string): boolean => lately.has(fingerprintOf(jwt) ?? ''),

    /** Lets an assertion count once. @throws DomainError `invalid-client` the second time */
    async useUp({ certificate, claims }: Assertion): Promise<void> {
      const hash = createHash('sha256').update(`${certificate.thing.id} ${claims.jti}`).digest();
      const expiresAt = addSeconds(new Date(claims.exp! * 1000), 2 * leewaySeconds);
      if (!(await useOnce(hash, expiresAt))) throw refuse('its jti was used before: make a new one for every request');
    },
  };
}

function fingerprintOf(jwt: string): string | undefined {
  try {
    const thumbprint = decodeProtectedHeader(jwt)['x5t#S256'];
    if (typeof thumbprint !== 'string' || !/^[A-Za-z0-9_-]{43}$/.test(thumbprint)) return undefined;
    return Buffer.from(thumbprint, 'base64url').toString('hex');
  } catch {
    return undefined;
  }
}

function algorithmsOf(keyType: string | undefined, curve: string | undefined): string[] {
  if (keyType === 'ec') return [curve === 'secp384r1' ? 'ES384' : 'ES256'];
  if (keyType === 'ed25519') return ['EdDSA', 'Ed25519'];
  return ['RS256', 'PS256'];
}
