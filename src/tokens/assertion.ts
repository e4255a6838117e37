import { createHash, X509Certificate } from 'node:crypto';
import { compactVerify } from 'jose';
import { LRUCache } from 'lru-cache';
import { addSeconds, numericDate, rfc3339, type Clock } from '../clock.js';
import { DomainError } from '../errors.js';
import type { HeldCertificate } from '../registry.js';
import { readStrictJwt, type ReadJwt } from '../pki/strict-jwt.js';

type Deps = {
  clock: Clock;
  /** What `aud` must name; at the token endpoint its URL will do too. */
  issuer: string;
  findCertificate(fingerprint: string): Promise<HeldCertificate | undefined>;
  /** The newest live certificates of a thing, at most as many as asked for. */
  findLiveOf(account: string, thingName: string, at: Date, limit: number): Promise<HeldCertificate[]>;
  /** How long a certificate can be renewed after it expired, in seconds. */
  graceOf(serialNumber: string): Promise<number>;
  /** False when this was used before. */
  useOnce(hash: Buffer, expiresAt: Date): Promise<boolean>;
};

/** What a JWT is for, said in its `typ`, so that one can never serve as the other. */
type AssertionType = 'client-authentication+jwt' | 'renew+jwt' | 'revoke+jwt';

/** A device that proved its key, what it said, and when that ends. */
type Assertion = { certificate: HeldCertificate; claims: Record<string, unknown>; until: Date };

const maxLifeSeconds = 300;
const leewaySeconds = 30;
// One in use, and as many renewals as may wait for their first use.
const mostCandidates = 11;
const supersededSeconds = 24 * 3600;
// As accounts and things are named: no other text is looked up.
const subjectForm = /^([a-z0-9][a-z0-9-]{0,62})\/([A-Za-z0-9:_-]{1,128})$/;

export type AssertionVerifier = ReturnType<typeof createAssertionVerifier>;

/** Judges JWTs that devices sign with the key of one of their certificates (RFC 7523 §3). */
export function createAssertionVerifier({ clock, issuer, findCertificate, findLiveOf, graceOf, useOnce }: Deps) {
  const lately = new LRUCache<string, true>({ max: 20_000 });
  const refuse = (why: string) =>
    new DomainError('invalid-client', `the assertion was refused: ${why}`, {
      error: 'invalid_client',
      serverTime: rfc3339(clock()),
    });

  const read = (jwt: string): ReadJwt => {
    try {
      return readStrictJwt(jwt);
    } catch (error) {
      throw refuse((error as Error).message);
    }
  };

  const requireGood = (certificate: HeldCertificate, typ: AssertionType, claims: Record<string, unknown>): void => {
    const { thing, revokedAt } = certificate;
    if (!certificate.accountActive) throw refuse('the account is suspended');
    if (typ === 'revoke+jwt' && mayStillRevoke(certificate, claims, clock())) return;
    if (revokedAt) throw refuse('the certificate that it names was revoked or superseded');
    if (thing.status !== 'active') throw refuse(`the thing is ${thing.status}`);
  };

  /** An expired certificate still renews within its grace, and revokes itself. */
  const requireInTime = async ({ notAfter, serialNumber }: HeldCertificate, typ: AssertionType): Promise<void> => {
    if (notAfter > clock()) return;
    const seconds = await graceOf(serialNumber);
    const end = addSeconds(notAfter, seconds);
    const isInGrace = end > clock();
    if (isInGrace && typ !== 'client-authentication+jwt') return;
    throw refuse(`the certificate that it names expired at ${rfc3339(notAfter)}, ${nextStep(seconds, end, isInGrace)}`);
  };

  /** The certificates one of whose keys must have signed. */
  const candidates = async ({ header, claims }: ReadJwt, typ: AssertionType): Promise<HeldCertificate[]> => {
    const thumbprint = header['x5t#S256'];
    if (thumbprint === undefined && typ === 'client-authentication+jwt') {
      const [, account, name] = subjectForm.exec(String(claims['sub'])) ?? [];
      if (account === undefined || name === undefined) throw refuse('its sub must be account/thingName');
      return findLiveOf(account, name, clock(), mostCandidates);
    }
    const isNamed = typeof thumbprint === 'string' && /^[A-Za-z0-9_-]{43}$/.test(thumbprint);
    const named = isNamed && (await findCertificate(Buffer.from(thumbprint, 'base64url').toString('hex')));
    if (!named) throw refuse('its header must name a certificate that Thingward knows by x5t#S256');
    return [named];
  };

  /**
   * When what these claims say ends. At the token endpoint a longer life counts as five minutes from `iat`, whenever it
   * is read: an end that moved with the clock would let a `jti` count again that was remembered until the first one.
   */
  const endOf = ({ exp, iat, nbf }: Record<string, unknown>, typ: AssertionType): number => {
    const now = numericDate(clock());
    const most = now + maxLifeSeconds + leewaySeconds;
    if (!isTime(exp)) throw refuse('it must have exp');
    if (nbf !== undefined && (!isTime(nbf) || nbf > now + leewaySeconds)) throw refuse('its nbf is in the future');
    const isShortened = typ === 'client-authentication+jwt' && isTime(iat) && exp > iat + maxLifeSeconds;
    const end = isShortened ? iat + maxLifeSeconds : exp;
    if (end > most)
      throw refuse('its exp must be at most 5 minutes away, or 5 minutes after an iat that is not in the future');
    if (end <= now - leewaySeconds) throw refuse('it has expired');
    return end;
  };

  const checkClaims = (
    { header, claims }: ReadJwt,
    typ: AssertionType,
    { thing }: HeldCertificate,
  ): Record<string, unknown> => {
    const subject = `${thing.account}/${thing.name}`;
    const { aud, iss, sub, jti } = claims;
    if (!isType(header['typ'], typ)) throw refuse(`its typ must be ${typ}`);
    if (iss !== subject || sub !== subject) throw refuse(`its iss and sub must be ${subject}`);
    const audiences = typ === 'client-authentication+jwt' ? [issuer, `${issuer}/v1/token`] : [issuer];
    if (!audiences.includes(onlyOf(aud))) throw refuse(`its aud must be ${audiences.join(' or ')}, and nothing else`);
    if (typeof jti !== 'string' || jti.length === 0 || jti.length > 256)
      throw refuse('its jti must be 1 to 256 characters');
    return claims;
  };

  return {
    /** The certificate and claims of a device that proves its key. The `jti` is not judged. @throws DomainError `invalid-client` */
    async verify(jwt: string, typ: AssertionType): Promise<Assertion> {
      const parts = read(jwt);
      const certificate = await firstSigner(jwt, await candidates(parts, typ));
      // The same words whether there is such a thing or not: anybody may ask.
      if (!certificate)
        throw refuse(
          parts.header['x5t#S256'] === undefined
            ? 'it was not signed by the key of a valid certificate of its sub'
            : 'it was not signed by the key of that certificate',
        );
      const claims = checkClaims(parts, typ, certificate);
      const until = new Date(endOf(claims, typ) * 1000);
      requireGood(certificate, typ, claims);
      await requireInTime(certificate, typ);
      lately.set(certificate.fingerprint, true);
      lately.set(claims['sub'] as string, true);
      return { certificate, claims, until };
    },

    /** Whether a JWT names a certificate, or without one a thing, that signed something valid recently. Nothing is looked up. */
    recognises: (jwt: string): boolean => lately.has(namedBy(jwt) ?? ''),

    /** Lets an assertion count once. @throws DomainError `invalid-client` the second time */
    async useUp({ certificate, claims, until }: Assertion): Promise<void> {
      const hash = createHash('sha256')
        .update(`${certificate.thing.id} ${String(claims['jti'])}`)
        .digest();
      if (!(await useOnce(hash, addSeconds(until, 2 * leewaySeconds))))
        throw refuse('its jti was used before: make a new one for every request');
    },
  };
}

/**
 * Whether a device may still ask for its own revocation: also while it is held or suspended, for a day after a renewal
 * superseded its certificate, which may have been somebody else's, and again for an answer that was lost.
 */
function mayStillRevoke(
  { revokedAt, reason, thing }: HeldCertificate,
  claims: Record<string, unknown>,
  at: Date,
): boolean {
  if (revokedAt === null || reason === 'certificateHold') return thing.status !== 'revoked';
  if (reason === 'superseded') return addSeconds(revokedAt, supersededSeconds) >= at;
  return thing.status === 'revoked' && reason === claims['reason'];
}

/** What a device does whose certificate has expired. */
function nextStep(seconds: number, end: Date, isInGrace: boolean): string {
  if (isInGrace) return `and can be renewed until ${rfc3339(end)}: POST /v1/renew first`;
  const operator = 'ask an operator to re-enroll the thing';
  if (seconds > 0) return `and could be renewed until ${rfc3339(end)}: ${operator}`;
  return `and nothing allows to renew it after that: ${operator}, or to set renewGraceSeconds of its enrollment`;
}

async function firstSigner(jwt: string, candidates: HeldCertificate[]): Promise<HeldCertificate | undefined> {
  for (const certificate of candidates) {
    const key = new X509Certificate(certificate.der).publicKey;
    const algorithms = algorithmsOf(key.asymmetricKeyType, key.asymmetricKeyDetails?.namedCurve);
    const isSigned = await compactVerify(jwt, key, { algorithms }).then(
      () => true,
      () => false,
    );
    if (isSigned) return certificate;
  }
  return undefined;
}

/** Other people's clients say JWT, or nothing, at the token endpoint. */
function isType(typ: unknown, wanted: AssertionType): boolean {
  if (typ === wanted) return true;
  const isPlain = typ === undefined || (typeof typ === 'string' && typ.toUpperCase() === 'JWT');
  return isPlain && wanted === 'client-authentication+jwt';
}

/** A lone value, also as the one member of an array. */
function onlyOf(audience: unknown): string {
  const only: unknown = Array.isArray(audience) && audience.length === 1 ? audience[0] : audience;
  return typeof only === 'string' ? only : '';
}

const isTime = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

function namedBy(jwt: string): string | undefined {
  try {
    const { header, claims } = readStrictJwt(jwt);
    const thumbprint = header['x5t#S256'];
    if (thumbprint === undefined) return typeof claims['sub'] === 'string' ? claims['sub'] : undefined;
    return typeof thumbprint === 'string' ? Buffer.from(thumbprint, 'base64url').toString('hex') : undefined;
  } catch {
    return undefined;
  }
}

function algorithmsOf(keyType: string | undefined, curve: string | undefined): string[] {
  if (keyType === 'ec') return [curve === 'secp384r1' ? 'ES384' : 'ES256'];
  if (keyType === 'ed25519') return ['EdDSA', 'Ed25519'];
  return ['RS256', 'PS256'];
}
