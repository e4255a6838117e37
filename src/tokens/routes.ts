import formbody from '@fastify/formbody';
import type { z } from 'zod';
import { DomainError } from '../errors.js';
import { keyCaller, originOf, type KeyCaller } from '../http/callers.js';
import type { FailureLimiter } from '../http/failure-limiter.js';
import type { App } from '../http/route.js';
import type { Origin } from '../origin.js';
import * as schema from './schema.js';
import type { TokenAnswer, TokenService } from './service.js';

const tags = ['tokens'];

type Deps = {
  service: TokenService;
  failures: FailureLimiter;
  jwksMaxAgeSeconds: number;
  /** Whether an access token of the caller's account is good now, by everything but the certificate that it came with. */
  isLive(caller: KeyCaller, token: string): boolean;
};

export function tokenRoutes({ service, failures, jwksMaxAgeSeconds, isLive }: Deps) {
  return async (app: App) => {
    await app.register(formbody);

    app.post(
      '/v1/token',
      {
        config: { access: 'public' },
        schema: {
          summary: 'Get an access token: refresh_token, or client_credentials with private_key_jwt',
          tags,
          consumes: ['application/x-www-form-urlencoded', 'application/json'],
          body: schema.tokenRequest,
          response: { 200: schema.tokenAnswer },
        },
      },
      async (request, reply) => {
        const { refresh_token: refresh, client_assertion: jwt } = request.body;
        const isKnown = () =>
          (refresh !== undefined && service.isOurs(refresh)) || (jwt !== undefined && service.recognises(jwt));
        const work = () => grant(service, request.body, originOf(request));
        const answer = await failures.counting(request.ip, isKnown, work);
        return reply.header('cache-control', 'no-store').send(toOAuth(answer));
      },
    );

    app.post(
      '/v1/token/revoke',
      {
        config: { access: 'public' },
        schema: {
          summary: 'End a line of refresh tokens (RFC 7009)',
          tags,
          consumes: ['application/x-www-form-urlencoded', 'application/json'],
          body: schema.tokenParameter,
          response: { 200: schema.revokedToken },
        },
      },
      async (request) => {
        const { token } = request.body;
        if (!token.startsWith('twr_') && service.readAccess(token))
          throw new DomainError(
            'unsupported-token-type',
            'access tokens end by themselves: revoke the certificate or suspend the thing',
            {
              error: 'unsupported_token_type',
            },
          );
        await service.revokeRefresh(token, originOf(request));
        return {};
      },
    );

    app.post(
      '/v1/introspect',
      {
        config: { access: 'authorize:query' },
        schema: {
          summary: 'Is this access token good now? (RFC 7662)',
          tags,
          consumes: ['application/x-www-form-urlencoded', 'application/json'],
          body: schema.tokenParameter,
          response: { 200: schema.introspection },
        },
      },
      async (request, reply) => {
        const { token } = request.body;
        void reply.header('cache-control', 'no-store');
        if (!isLive(keyCaller(request), token)) return { active: false as const };
        return present(service.readAccess(token)!);
      },
    );

    app.get(
      '/.well-known/jwks.json',
      {
        config: { access: 'public' },
        schema: { summary: 'The keys that verify access tokens', tags, response: { 200: schema.jwks } },
      },
      async (_request, reply) => {
        void reply.header('cache-control', `public, max-age=${jwksMaxAgeSeconds}`);
        return service.jwks() as z.output<typeof schema.jwks>;
      },
    );
  };
}

/** What a live token says (RFC 7662 §2.2). */
function present(claims: Record<string, unknown>): z.output<typeof schema.introspection> {
  const { iss, sub, aud, iat, exp, jti, account, policies, cnf } = claims as IntrospectedClaims;
  return { active: true, iss, sub, aud, iat, exp, jti, token_type: 'Bearer', client_id: sub, account, policies, cnf };
}

type IntrospectedClaims = Omit<
  Extract<z.output<typeof schema.introspection>, { active: true }>,
  'active' | 'token_type' | 'client_id'
>;

async function grant(service: TokenService, request: schema.TokenRequest, origin: Origin): Promise<TokenAnswer> {
  const { grant_type, refresh_token, client_assertion, client_assertion_type } = request;
  if (client_assertion !== undefined && client_assertion_type === undefined) {
    throw new DomainError('invalid-request', 'client_assertion needs client_assertion_type', {
      error: 'invalid_request',
    });
  }
  switch (grant_type) {
    case 'refresh_token':
      if (refresh_token === undefined)
        throw new DomainError('invalid-request', 'refresh_token is missing', { error: 'invalid_request' });
      return service.refresh(refresh_token, client_assertion, origin);
    case 'client_credentials':
      if (client_assertion === undefined) {
        throw new DomainError(
          'invalid-request',
          'client_assertion is missing: prove the device key with private_key_jwt',
          { error: 'invalid_request' },
        );
      }
      return service.clientCredentials(client_assertion, origin);
    default:
      throw new DomainError('unsupported-grant-type', 'use refresh_token or client_credentials', {
        error: 'unsupported_grant_type',
      });
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
