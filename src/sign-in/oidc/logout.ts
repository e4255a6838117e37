import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, errors, jwtVerify, type JWTPayload } from 'jose';
import type { PersonKeys } from '../../api-keys/person-keys.js';
import type { AppendAudit } from '../../audit/store.js';
import { addSeconds, type Clock } from '../../clock.js';
import { hashCredential } from '../../access/credentials.js';
import type { Commit } from '../../db/client.js';
import { DomainError } from '../../errors.js';
import type { AppendLog } from '../../log/append.js';
import { personEntry } from '../../log/builders.js';
import type { Origin } from '../../origin.js';
import type { AttemptStore } from '../attempt-store.js';
import type { OidcClients } from './clients.js';
import type { ProviderStore, StoredProvider } from './provider-store.js';

type Deps = {
  store: ProviderStore;
  clients: Pick<OidcClients, 'keys'>;
  personKeys: Pick<PersonKeys, 'end'>;
  attempts: Pick<AttemptStore, 'spend'>;
  commit: Commit;
  clock: Clock;
  audit: AppendAudit;
  log: AppendLog;
};

export type Logouts = ReturnType<typeof createLogouts>;

const event = 'http://schemas.openid.net/event/backchannel-logout';
const typ = 'logout+jwt';
const algorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];
const [tokenSeconds, toleranceSeconds] = [300, 30];

/** Providers say that somebody has left (OpenID Connect Back-Channel Logout 1.0). */
export function createLogouts({ store, clients, personKeys, attempts, commit, clock, audit, log }: Deps) {
  const verify = async (token: string, { issuer, clientId }: StoredProvider, jwks: { keys: object[] }) =>
    (
      await jwtVerify(token, createLocalJWKSet(jwks), {
        issuer,
        audience: clientId,
        typ,
        algorithms,
        currentDate: clock(),
        clockTolerance: toleranceSeconds,
        maxTokenAge: tokenSeconds,
        requiredClaims: ['iat', 'jti', 'events'],
      })
    ).payload;

  /** The keys that the provider signed with last are tried first: a logout counts although the provider cannot be asked. */
  const judge = async (token: string, provider: StoredProvider): Promise<JWTPayload> => {
    try {
      return await verify(token, provider, provider.jwks ?? { keys: [] });
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
    }
    const jwks = await clients.keys(provider);
    const payload = await verify(token, provider, jwks);
    await store.saveKeys(provider.id, jwks);
    return payload;
  };

  const end = async (provider: StoredProvider, payload: JWTPayload, origin: Origin): Promise<void> => {
    const { sub: subject, jti } = payload;
    const session = typeof payload['sid'] === 'string' ? payload['sid'] : undefined;
    const { account } = provider;
    const actor = { ...origin, actor: `provider:${provider.id}` };
    await commit(async (tx) => {
      const at = clock();
      const hash = hashCredential(`logout ${provider.id} ${jti}`);
      if (!(await attempts.spend(tx, hash, addSeconds(at, 2 * tokenSeconds)))) throw refused('it was used before');
      const ended = await store.endSessions(tx, provider.id, { subject, session });
      if (ended.length === 0) return;
      for (const { id, personId } of ended) {
        const detail = { session: id, by: 'back-channel logout' };
        const entry = { at, account, origin: actor, action: 'person.sign-out', target: `person:${personId}`, detail };
        await audit(tx, entry);
      }
      const people = ended.map(({ personId }) => personId);
      const entries = ended.map(({ id, personId }) => personEntry(account, personId, id));
      await log(tx, at, [...entries, ...(await personKeys.end(tx, account, people, actor))]);
    });
  };

  return {
    /**
     * Ends the sessions that a logout token names. Where its keys are unknown and the provider cannot be asked, they end anyway, as
     * long as the token is otherwise right: whoever could sign in again will, and the complaint comes afterwards.
     * @throws DomainError `not-found`, `invalid-request`, `provider-away`
     */
    async logout(providerId: string, token: string, origin: Origin): Promise<void> {
      const provider = await store.find(providerId);
      if (!provider) throw new DomainError('not-found', `there is no sign-in provider ${providerId}`);
      const unverified = readUnverified(token, provider, clock());
      let trouble: DomainError | undefined;
      try {
        requireLogout(await judge(token, provider));
      } catch (error) {
        if (!(error instanceof DomainError)) throw refused('its signature or a claim is wrong');
        if (error.code !== 'provider-away') throw error;
        trouble = error;
      }
      await end(provider, unverified, origin);
      if (trouble) throw trouble;
    },
  };
}

/** Everything but the signature. */
function readUnverified(token: string, { issuer, clientId }: StoredProvider, at: Date): JWTPayload {
  try {
    const payload = decodeJwt(token);
    const header = decodeProtectedHeader(token);
    const { iss, aud, iat = 0, exp = Infinity } = payload;
    const seconds = at.getTime() / 1000;
    const isFresh = Math.abs(seconds - iat) <= tokenSeconds + toleranceSeconds && seconds < exp + toleranceSeconds;
    if (header.typ !== typ || iss !== issuer || ![aud].flat().includes(clientId) || !isFresh)
      throw refused('it is not for here');
    requireLogout(payload);
    return payload;
  } catch (error) {
    throw error instanceof DomainError ? error : refused('it cannot be read');
  }
}

/** Back-Channel Logout 1.0 §2.6. @throws DomainError `invalid-request` */
function requireLogout(payload: JWTPayload): void {
  const { sub, sid, nonce, events, jti } = payload as JWTPayload & { events?: Record<string, unknown> };
  if (typeof events?.[event] !== 'object') throw refused('it has no event of a logout');
  if (nonce !== undefined) throw refused('it has a nonce');
  if (typeof jti !== 'string') throw refused('it has no jti');
  if (typeof sub !== 'string' && typeof sid !== 'string') throw refused('it names nobody');
}

function refused(why: string): DomainError {
  return new DomainError('invalid-request', `logout_token: ${why}; send a fresh one, of typ logout+jwt`);
}
