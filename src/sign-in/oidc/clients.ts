import { LRUCache } from 'lru-cache';
import * as oidc from 'openid-client';
import type { Clock } from '../../clock.js';
import { DomainError } from '../../errors.js';
import { OutboundRefusal, type GuardedFetch } from '../../outbound/fetch.js';
import { sealedAs, type Sealer } from '../../sealing.js';
import type { Claims } from './claims.js';
import type { StoredProvider } from './provider-store.js';

type Deps = { fetch: GuardedFetch; sealer: Pick<Sealer, 'open'>; clock: Clock };

/** What a browser takes along to a provider, and what has to come back. */
export type Expected = { state: string; nonce: string; verifier: string; isStepUp: boolean };

/** Who came back, by the word of the provider. */
export type Arrived = {
  claims: Claims;
  /** To ask the provider again whether the person is still there. */
  refreshToken: string | undefined;
  /** The keys that it signs with. */
  jwks: object | undefined;
};

export type OidcClients = ReturnType<typeof createOidcClients>;

const discoveredMs = 10 * 60_000;
// The clocks of two machines.
const toleranceSeconds = 30;

/** Speaks OpenID Connect (Core 1.0, RFC 9207, RFC 7636) with the providers of accounts, through the guarded fetch alone. */
export function createOidcClients({ fetch, sealer, clock }: Deps) {
  const discovered = new LRUCache<string, { metadata: oidc.ServerMetadata; at: number }>({ max: 1000 });
  const asking = new Map<string, Promise<oidc.ServerMetadata>>();

  const carry: oidc.CustomFetch = (url, { method, headers, body, signal }) =>
    fetch(url, { method, headers, body: bodyOf(body), signal: signal ?? undefined });

  /** Browsers that come while a provider is being asked wait for its answer: nobody makes the server ask without end. */
  const discover = (provider: StoredProvider): Promise<oidc.ServerMetadata> => {
    const name = `${provider.id} ${provider.issuer}`;
    const [known, at] = [discovered.get(name), clock().getTime()];
    if (known && at >= known.at && at < known.at + discoveredMs) return Promise.resolve(known.metadata);
    const answer = asking.get(name) ?? learn(name, provider).finally(() => asking.delete(name));
    asking.set(name, answer);
    return answer;
  };

  const learn = async (name: string, { issuer, clientId }: StoredProvider): Promise<oidc.ServerMetadata> => {
    const found = await oidc.discovery(new URL(issuer), clientId, undefined, oidc.None(), {
      [oidc.customFetch]: carry,
      execute: [oidc.allowInsecureRequests],
    });
    const metadata = found.serverMetadata();
    discovered.set(name, { metadata, at: clock().getTime() });
    return metadata;
  };

  /** Keys are fetched for each sign-in: a provider that rolls them over is understood at once. */
  const configure = async (provider: StoredProvider): Promise<oidc.Configuration> => {
    const metadata = await discover(provider);
    const secret = sealer.open(provider.secretSealed, sealedAs.provider(provider.id)).toString('utf8');
    const methods = metadata.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
    const authenticate = methods.includes('client_secret_basic') ? oidc.ClientSecretBasic : oidc.ClientSecretPost;
    const client = { [oidc.clockTolerance]: toleranceSeconds };
    const config = new oidc.Configuration(metadata, provider.clientId, client, authenticate(secret));
    config[oidc.customFetch] = carry;
    // Whether plain http will do is for the guarded fetch to say.
    oidc.allowInsecureRequests(config);
    oidc.enableNonRepudiationChecks(config);
    return config;
  };

  return {
    /** Where a browser goes to sign in, and what has to come back. @throws DomainError `provider-away` */
    async begin(provider: StoredProvider, redirectUri: string, isStepUp: boolean) {
      const expected: Expected = {
        state: oidc.randomState(),
        nonce: oidc.randomNonce(),
        verifier: oidc.randomPKCECodeVerifier(),
        isStepUp,
      };
      const challenge = await oidc.calculatePKCECodeChallenge(expected.verifier);
      const { scopes, requiredAcr } = provider.settings;
      const url = await asked(async () =>
        oidc.buildAuthorizationUrl(await configure(provider), {
          redirect_uri: redirectUri,
          scope: [...new Set(['openid', ...scopes])].join(' '),
          state: expected.state,
          nonce: expected.nonce,
          code_challenge: challenge,
          code_challenge_method: 'S256',
          ...(requiredAcr.length === 0 ? {} : { acr_values: requiredAcr.join(' ') }),
          ...(isStepUp ? { max_age: '0', prompt: 'login' } : {}),
        }),
      );
      return { url: url.href, expected };
    },

    /** Redeems what a browser brought back from a provider. @throws DomainError `sign-in-refused`, `provider-away` */
    arrive: (provider: StoredProvider, url: URL, { state, nonce, verifier, isStepUp }: Expected): Promise<Arrived> =>
      asked(async () => {
        const config = await configure(provider);
        const tokens = await oidc.authorizationCodeGrant(config, url, {
          expectedState: state,
          expectedNonce: nonce,
          pkceCodeVerifier: verifier,
          idTokenExpected: true,
          ...(isStepUp ? { maxAge: 0 } : {}),
        });
        const claims = await completeClaims(config, provider, tokens, tokens.claims() as Claims);
        return { claims, refreshToken: tokens.refresh_token, jwks: oidc.getJwksCache(config)?.jwks };
      }),

    /** Asks a provider whether somebody is still there, and what it says of them now. @throws DomainError `sign-in-refused`, `provider-away` */
    again: (provider: StoredProvider, refreshToken: string, subject: string): Promise<Omit<Arrived, 'jwks'>> =>
      asked(async () => {
        const config = await configure(provider);
        const tokens = await oidc.refreshTokenGrant(config, refreshToken);
        const said = (tokens.claims() ?? { sub: subject }) as Claims;
        const claims = await completeClaims(config, provider, tokens, said);
        if (claims.sub !== subject) throw new DomainError('sign-in-refused', 'the provider answered for somebody else');
        return { claims, refreshToken: tokens.refresh_token ?? refreshToken };
      }),

    /** The keys of a provider, now. @throws DomainError `provider-away` */
    keys: (provider: StoredProvider): Promise<{ keys: object[] }> =>
      asked(async () => {
        const { jwks_uri: url } = await discover(provider);
        if (url === undefined) throw new Error('the provider names no keys');
        const answer = await fetch(url);
        if (answer.status !== 200) throw new Error(`the keys of the provider came with ${answer.status}`);
        return (await answer.json()) as { keys: object[] };
      }),
  };
}

type Tokens = { access_token: string };

/** Many providers say groups and addresses at their user info alone. What the ID token says counts first. */
async function completeClaims(
  config: oidc.Configuration,
  { settings }: StoredProvider,
  { access_token: token }: Tokens,
  claims: Claims,
): Promise<Claims> {
  const wanted = [
    settings.roleClaim,
    ...(settings.allowedDomains.length > 0 ? ['email', 'email_verified'] : []),
    'name',
  ];
  const lacks = wanted.some((name) => claims[name] === undefined);
  if (!lacks || config.serverMetadata().userinfo_endpoint === undefined) return claims;
  return { ...(await oidc.fetchUserInfo(config, token, claims.sub)), ...claims };
}

function bodyOf(body: oidc.FetchBody): string | Uint8Array | undefined {
  if (body === undefined || body === null) return undefined;
  if (typeof body === 'string' || body instanceof Uint8Array) return body;
  if (body instanceof URLSearchParams) return body.toString();
  throw new Error('this kind of body is never sent to a provider');
}

/** What a library throws, as one of two things: the provider refused or answered wrongly, or it did not answer. */
async function asked<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof DomainError) throw error;
    if (isAnswer(error)) throw refusedAs(error);
    const { cause = error } = error as Error;
    const why = cause instanceof OutboundRefusal ? cause.message : 'it did not answer as it should';
    throw new DomainError(
      'provider-away',
      `the provider cannot be asked: ${why}; try again, or use another way in`,
      { retryAfter: 30 },
      { cause: error },
    );
  }
}

type Answered = Error & { code?: string; error?: string };

const unheard = new Set(['OAUTH_TIMEOUT', 'OAUTH_ABORT', 'OAUTH_RESPONSE_IS_NOT_CONFORM', 'OAUTH_PARSE_ERROR']);

/** Whether the provider, or the browser that came from it, said something: as opposed to saying nothing. */
function isAnswer(error: unknown): error is Answered {
  if (error instanceof oidc.AuthorizationResponseError) return true;
  // A provider in trouble has not refused anybody.
  if (error instanceof oidc.ResponseBodyError) return error.status < 500 && error.error !== 'temporarily_unavailable';
  // Without a code it is what the way there threw.
  return error instanceof oidc.ClientError && error.code !== undefined && !unheard.has(error.code);
}

function refusedAs(error: Answered): DomainError {
  const word = /^[\w.-]{1,64}$/.exec(error.error ?? error.code ?? '')?.[0] ?? 'invalid_response';
  const detail = `the answer of the provider was not accepted (${word}): begin the sign-in again`;
  return new DomainError('sign-in-refused', detail, {}, { cause: error });
}
