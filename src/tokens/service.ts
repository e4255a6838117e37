import { randomUUID } from 'node:crypto';
import { addSeconds, numericDate, rfc3339, type Clock } from '../clock.js';
import { DomainError } from '../errors.js';
import type { Origin } from '../origin.js';
import type { HeldCertificate, RegisteredThing } from '../registry.js';
import type { AssertionVerifier } from './assertion.js';
import { accessTokenSeconds, type TokenKeys } from './keys.js';
import type { StoredFamily, TokenStore } from './store.js';

type Deps = {
  store: TokenStore;
  keys: TokenKeys;
  assertions: AssertionVerifier;
  clock: Clock;
  issuer: string;
  /** With `{account}` in it. */
  audience: string;
  findCertificate(fingerprint: string): Promise<HeldCertificate | undefined>;
  markUsed(certificate: HeldCertificate, origin: Origin, at: Date): Promise<void>;
};

/** Tokens as RFC 6749 §5.1 has them. Times are in seconds. */
export type TokenPair = { accessToken: string; tokenType: 'Bearer'; expiresIn: number; refreshToken: string };

/** A {@link TokenPair}; for an assertion there is no refresh token. */
export type TokenAnswer = Omit<TokenPair, 'refreshToken'> & { refreshToken?: string };

const familySeconds = 30 * 86_400;
const retrySeconds = 30;
const refreshForm = /^twr_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.(\d{1,9})\.([A-Za-z0-9_-]{43})$/;

/** What of a certificate a token is bound to. */
export type BoundCertificate = { fingerprint: string; serialNumber: string; notAfter: Date };

const expiryOf = (iat: number, notAfter: Date): number => Math.min(iat + accessTokenSeconds, numericDate(notAfter));

export type TokenService = ReturnType<typeof createTokenService>;

/** Gives access tokens for refresh tokens and assertions, introspects and revokes. */
export function createTokenService({
  store,
  keys,
  assertions,
  clock,
  issuer,
  audience,
  findCertificate,
  markUsed,
}: Deps) {
  // A token never outlives its certificate.
  const accessToken = (
    thing: RegisteredThing,
    { fingerprint, serialNumber, notAfter }: BoundCertificate,
    iat: number,
  ): string => {
    return keys.signAccess({
      iss: issuer,
      sub: thing.name,
      tid: thing.id,
      aud: audience.replaceAll('{account}', thing.account),
      iat,
      exp: expiryOf(iat, notAfter),
      jti: randomUUID(),
      account: thing.account,
      policies: thing.policies,
      vars: {
        attributes: thing.attributes,
        ...(thing.thingType === null ? {} : { type: thing.thingType }),
        ...(thing.segment === null ? {} : { segment: thing.segment }),
        serialNumber,
      },
      cnf: { 'x5t#S256': Buffer.from(fingerprint, 'hex').toString('base64url') },
      gen: thing.gen,
    });
  };

  const refreshToken = (family: string, counter: number): string => {
    const text = `${family}.${counter}`;
    return `twr_${text}.${keys.macRefresh(text).toString('base64url')}`;
  };

  const answer = (thing: RegisteredThing, certificate: BoundCertificate): TokenAnswer => {
    const iat = numericDate(clock());
    return {
      accessToken: accessToken(thing, certificate, iat),
      tokenType: 'Bearer',
      expiresIn: expiryOf(iat, certificate.notAfter) - iat,
    };
  };

  const badGrant = (why: string) =>
    new DomainError('invalid-grant', `${why}: get a token with client_credentials`, {
      serverTime: rfc3339(clock()),
    });

  const isOwnRefresh = (token: string): boolean => {
    const [, id, counter, mac] = refreshForm.exec(token) ?? [];
    return mac !== undefined && keys.isRefreshMac(`${id}.${counter}`, Buffer.from(mac, 'base64url'));
  };

  const readRefreshToken = (token: string): { id: string; counter: number } => {
    const [, id, counter, mac] = refreshForm.exec(token) ?? [];
    if (!id || !counter || !mac || !keys.isRefreshMac(`${id}.${counter}`, Buffer.from(mac, 'base64url'))) {
      throw badGrant('the refresh token is unknown');
    }
    return { id, counter: Number(counter) };
  };

  /** A lost answer is given again, to the device that proves it is the one. Any other reuse ends the family. */
  const reuse = async (
    family: StoredFamily,
    counter: number,
    prover: string | undefined,
    origin: Origin,
  ): Promise<number> => {
    const current = (await store.findFamily(family.id)) ?? family;
    const justUsed = counter === current.counter - 1 && addSeconds(current.advancedAt, retrySeconds) >= clock();
    if (justUsed && current.revokedAt === null && prover === family.fingerprint) return current.counter;
    await store.revokeFamily(family, 'refresh token reused', clock(), origin);
    throw badGrant('the refresh token was used before, so its family has ended');
  };

  const usableFamily = async (id: string): Promise<{ family: StoredFamily; certificate: HeldCertificate }> => {
    const family = await store.findFamily(id);
    if (!family || family.revokedAt || family.expiresAt <= clock()) throw badGrant('the refresh token has ended');
    const certificate = await findCertificate(family.fingerprint);
    if (!certificate || certificate.revokedAt || certificate.notAfter <= clock())
      throw badGrant('its certificate is no longer valid');
    if (certificate.thing.status !== 'active' || !certificate.accountActive) throw badGrant('the thing is not active');
    return { family, certificate };
  };

  /** The certificate of a device that proves its key, which is a use of it. Nothing less is: proxies see tokens too. */
  const prove = async (assertion: string, clientId: string | undefined, origin: Origin): Promise<HeldCertificate> => {
    const proof = await assertions.verify(assertion, 'client-authentication+jwt');
    // RFC 7521 §4.2
    if (clientId !== undefined && clientId !== proof.claims['sub'])
      throw new DomainError('invalid-client', 'client_id must be the sub of the client_assertion, or be left out');
    await assertions.useUp(proof);
    const { certificate } = proof;
    await markUsed(certificate, { ...origin, actor: `thing:${certificate.thing.name}` }, clock());
    return certificate;
  };

  return {
    /** A new refresh family, to be written with the certificate that it is bound to. */
    newFamily: (notAfter: Date): { id: string; expiresAt: Date } => {
      const end = addSeconds(clock(), familySeconds);
      return { id: randomUUID(), expiresAt: end < notAfter ? end : notAfter };
    },

    /** Tokens of a family before its certificate was used: the refresh token is the one that its counter names. */
    first: (thing: RegisteredThing, certificate: BoundCertificate, family: string, counter = 1): TokenPair => ({
      ...answer(thing, certificate),
      refreshToken: refreshToken(family, counter),
    }),

    /** `grant_type=refresh_token`; with an assertion also a proof of the key. @throws DomainError `invalid-grant`, `invalid-client` */
    async refresh(
      token: string,
      assertion: string | undefined,
      clientId: string | undefined,
      origin: Origin,
    ): Promise<TokenAnswer> {
      const { id, counter } = readRefreshToken(token);
      const proof = assertion === undefined ? undefined : await prove(assertion, clientId, origin);
      const { family, certificate } = await usableFamily(id);
      const isOwn = proof === undefined || proof.fingerprint === family.fingerprint;
      // What is valid now is left alone: its holder can still use it.
      if (!isOwn && counter === family.counter) throw badGrant('the refresh token belongs to another certificate');
      const advanced = await store.advanceFamily(id, counter, clock());
      const next = advanced ? counter + 1 : await reuse(family, counter, proof?.fingerprint, origin);
      return { ...answer(certificate.thing, certificate), refreshToken: refreshToken(id, next) };
    },

    /** `grant_type=client_credentials` with `private_key_jwt`. @throws DomainError `invalid-client` */
    async clientCredentials(assertion: string, clientId: string | undefined, origin: Origin): Promise<TokenAnswer> {
      const certificate = await prove(assertion, clientId, origin);
      return answer(certificate.thing, certificate);
    },

    /** Whether an assertion names a certificate that signed something valid recently. */
    recognises: assertions.recognises,

    /** Whether Thingward issued a refresh token, whatever became of it. */
    isOurs: isOwnRefresh,

    /** Ends the family of a refresh token that Thingward issued (RFC 7009 §2.1); any other token is ignored. */
    async revokeRefresh(token: string, origin: Origin): Promise<void> {
      const [, id] = refreshForm.exec(token) ?? [];
      if (!id || !isOwnRefresh(token)) return;
      const family = await store.findFamily(id);
      if (family) await store.revokeFamily(family, 'revoked by its holder', clock(), origin);
    },

    /** The claims of an access token that Thingward issued; undefined for any other. No time is judged, nor what changed since. */
    readAccess(token: string): Record<string, unknown> | undefined {
      const claims = keys.verifyAccess(token);
      return claims?.['iss'] === issuer ? claims : undefined;
    },

    /** The certificate behind an access token that is valid now; undefined for any other token. Looking is no use of its key. */
    async findBearer(token: string): Promise<HeldCertificate | undefined> {
      const claims = keys.verifyAccess(token);
      const thumbprint = (claims?.['cnf'] as { 'x5t#S256'?: string } | undefined)?.['x5t#S256'];
      if (
        !claims ||
        thumbprint === undefined ||
        claims['iss'] !== issuer ||
        Number(claims['exp']) <= numericDate(clock())
      )
        return undefined;
      const certificate = await findCertificate(Buffer.from(thumbprint, 'base64url').toString('hex'));
      if (!certificate || certificate.revokedAt || certificate.thing.id !== claims['tid']) return undefined;
      const { status, minGen } = certificate.thing;
      if (status !== 'active' || !certificate.accountActive || Number(claims['gen']) < minGen) return undefined;
      return certificate;
    },

    jwks: keys.jwks,
  };
}
