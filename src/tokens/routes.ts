import formbody from '@fastify/formbody';
import type { z } from 'zod';
import { DomainError } from '../errors.js';
import type { Grantee } from '../access/grantee.js';
import { grantee, originOf } from '../http/request.js';
import type { FailureLimiter } from '../http/failure-limiter.js';
import { sendOAuthFailure } from '../http/oauth-failure.js';
import type { App } from '../http/route.js';
import type { Origin } from '../origin.js';
import type { Metadata } from './metadata.js';
import * as schema from './schema.js';
import type { TokenAnswer, TokenService } from './service.js';

const tags = ['tokens'];
// JSON is read too; of two types, generated clients would make two methods or none.
const consumes = ['application/x-www-form-urlencoded'];

type Deps = {
  service: TokenService;
  failures: FailureLimiter;
  jwksMaxAgeSeconds: number;
  metadata: Metadata;
  /** Whether an access token of the caller's account is valid now, by everything but the certificate that it came with. */
  isLive(caller: Grantee, token: string): boolean;
  /** Until when an introspection that is answered now may be kept, in seconds since 1970. */
  introspectedUntil(): number;
};

/** The routes of tokens: `/v1/token`, introspection, revocation, the key set. */
export function tokenRoutes(deps: Deps) {
  return async (app: App) => {
    await app.register(oauthRoutes(deps));
    await app.register(keyRoutes(deps));
  };
}

/** What OAuth clients speak to. They keep nothing that is answered here, and read failures in their own form. */
function oauthRoutes({ service, failures, isLive, introspectedUntil }: Deps) {
  return async (app: App) => {
    await app.register(formbody);
    app.setErrorHandler(sendOAuthFailure);
    app.addHook('onSend', (_request, reply, _payload, done) => {
      void reply.header('cache-control', 'no-store').header('pragma', 'no-cache');
      done();
    });

    app.post(
      '/v1/token',
      {
        config: { access: 'public', refusesAs: 'oauth' },
        schema: {
          operationId: 'requestToken',
          summary: 'Get an access token: refresh_token, or client_credentials with private_key_jwt',
          description:
            'The assertion is a JWT by the device key: iss and sub are account/thingName, aud is one value, the issuer or this URL, jti counts once, exp is at most 5 minutes away or counts as 5 minutes after iat. Without x5t#S256 in its header every live certificate of the thing is tried.',
          tags,
          consumes,
          body: schema.tokenRequest,
          response: { 200: schema.tokenAnswer },
        },
      },
      async (request) => {
        const { refresh_token: refresh, client_assertion: jwt } = request.body;
        const isKnown = () =>
          (refresh !== undefined && service.isOurs(refresh)) || (jwt !== undefined && service.recognises(jwt));
        const work = () => grant(service, request.body, originOf(request));
        return toOAuth(await failures.counting(request.ip, isKnown, work));
      },
    );

    app.post(
      '/v1/token/revoke',
      {
        config: { access: 'public', refusesAs: 'oauth' },
        schema: {
          operationId: 'revokeToken',
          summary: 'End a line of refresh tokens (RFC 7009)',
          description: 'Whoever has the token may end it: its device gets another with client_credentials.',
          tags,
          consumes,
          body: schema.tokenParameter,
          response: { 200: schema.revokedToken },
        },
      },
      async (request) => {
        const { token } = request.body;
        if (!token.startsWith('twr_') && service.readAccess(token))
          throw new DomainError(
            'unsupported-token-type',
            'access tokens expire on their own: revoke the certificate or suspend the thing',
          );
        await service.revokeRefresh(token, originOf(request));
        return {};
      },
    );

    app.post(
      '/v1/introspect',
      {
        config: { access: 'authorize:query', secretInBody: true, cost: 'free', refusesAs: 'oauth' },
        schema: {
          operationId: 'introspectToken',
          summary: 'Is this access token valid now? (RFC 7662)',
          description:
            'The API key comes as bearer token, as password of Basic, or as client_secret. exp is when the caller must ask again, not later than the token itself expires.',
          tags,
          consumes,
          body: schema.introspectionRequest,
          response: { 200: schema.introspection },
        },
      },
      async (request) => {
        const { token } = request.body;
        if (!isLive(grantee(request), token)) return { active: false as const };
        return present(service.readAccess(token)!, introspectedUntil());
      },
    );
  };
}

/** What readers of tokens look up. */
function keyRoutes({ service, jwksMaxAgeSeconds, metadata }: Deps) {
  return async (app: App) => {
    app.get(
      '/.well-known/jwks.json',
      {
        config: { access: 'public' },
        schema: {
          operationId: 'getKeySet',
          summary: 'The keys that verify access tokens',
          tags,
          response: { 200: schema.jwks },
        },
      },
      async (_request, reply) => {
        void reply.header('cache-control', `public, max-age=${jwksMaxAgeSeconds}`);
        return service.jwks();
      },
    );

    for (const [path, operationId, summary] of [
      [
        '/.well-known/oauth-authorization-server',
        'getAuthorizationServer',
        'What OAuth clients need to know (RFC 8414)',
      ],
      [
        '/.well-known/openid-configuration',
        'getOpenidConfiguration',
        'The same, where libraries for OpenID Connect look',
      ],
    ] as const) {
      app.get(
        path,
        { config: { access: 'public' }, schema: { operationId, summary, tags, response: { 200: schema.metadata } } },
        async (_request, reply) => {
          void reply.header('cache-control', `public, max-age=${jwksMaxAgeSeconds}`);
          return metadata;
        },
      );
    }
  };
}

/** What a live token says (RFC 7662 §2.2). Clients keep it until `exp` (§4), so that is not the token's own. */
function present(claims: Record<string, unknown>, until: number): z.output<typeof schema.introspection> {
  const { iss, sub, aud, iat, jti, account, policies, cnf, ...token } = claims as IntrospectedClaims;
  const exp = Math.min(token.exp, until);
  return { active: true, iss, sub, aud, iat, exp, jti, token_type: 'Bearer', client_id: sub, account, policies, cnf };
}

type IntrospectedClaims = Omit<
  Extract<z.output<typeof schema.introspection>, { active: true }>,
  'active' | 'token_type' | 'client_id'
>;

async function grant(service: TokenService, request: schema.TokenRequest, origin: Origin): Promise<TokenAnswer> {
  const { grant_type, refresh_token, client_assertion, client_assertion_type, client_id } = request;
  if (client_assertion !== undefined && client_assertion_type === undefined) {
    throw new DomainError('invalid-request', 'client_assertion needs client_assertion_type');
  }
  switch (grant_type) {
    case 'refresh_token':
      if (refresh_token === undefined) throw new DomainError('invalid-request', 'refresh_token is missing');
      return service.refresh(refresh_token, client_assertion, client_id, origin);
    case 'client_credentials':
      if (client_assertion === undefined) {
        throw new DomainError(
          'invalid-request',
          'client_assertion is missing: prove the device key with private_key_jwt',
        );
      }
      return service.clientCredentials(client_assertion, client_id, origin);
    default:
      throw new DomainError('unsupported-grant-type', 'use refresh_token or client_credentials');
  }
}

function toOAuth({
  accessToken,
  tokenType,
  expiresIn,
  refreshToken,
}: TokenAnswer): z.output<typeof schema.tokenAnswer> {
  return {
    access_token: accessToken,
    token_type: tokenType,
    expires_in: expiresIn,
    ...(refreshToken === undefined ? {} : { refresh_token: refreshToken }),
  };
}
