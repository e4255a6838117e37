import fastifyJwt, { type JWT } from '@fastify/jwt';
import fastify from 'fastify';
import type { KeyObject } from 'node:crypto';

/** Signs and verifies with one key and one algorithm, fixed. */
export type JwtKey = {
  /** A compact JWS over the claims, with `typ: at+jwt` and the key's `kid`. */
  sign(claims: object): string;
  /** The claims of a token that this key signed. @throws Error for any other token. Times are not judged here. */
  verify(token: string): Record<string, unknown>;
};

/** The JWS algorithms of access tokens. */
export type JwtAlgorithm = 'ES256' | 'RS256' | 'EdDSA';

/**
 * Opens a key for access tokens. Each key gets a separate instance, so that keys can come and go
 * while the server runs and a token can never be judged by another key's rules.
 */
export async function openJwtKey(
  kid: string,
  algorithm: JwtAlgorithm,
  privateKey: KeyObject,
  publicKey: KeyObject,
): Promise<JwtKey> {
  const host = fastify();
  await host.register(fastifyJwt, {
    secret: {
      private: privateKey.export({ type: 'pkcs8', format: 'pem' }),
      public: publicKey.export({ type: 'spki', format: 'pem' }),
    },
    sign: { algorithm, kid, header: { alg: algorithm, typ: 'at+jwt' } },
    verify: { algorithms: [algorithm], ignoreExpiration: true, ignoreNotBefore: true, cache: false },
  });
  await host.ready();
  const jwt: JWT = host.jwt;
  return { sign: (claims) => jwt.sign(claims), verify: (token) => jwt.verify<Record<string, unknown>>(token) };
}
