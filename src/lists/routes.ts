import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { App } from '../http/route.js';
import { accountName } from '../shapes.js';
import { clockSkewSeconds } from '../backdating.js';

type List = {
  issuerId: string;
  scope: string;
  number: bigint;
  signedAt: Date;
  nextUpdate: Date;
  sameSecond: boolean;
  /** Seconds that caches may keep it without asking. */
  maxAge: number;
  der: Buffer;
};

type Deps = {
  clock(): Date;
  crl(issuerId: string, scope?: string): Promise<List>;
  delta(issuerId: string): Promise<List>;
  bundle(account: string): Promise<List[]>;
  chainPem(account: string): Promise<string>;
  encodePem(der: Buffer): Promise<Buffer>;
};

const tags = ['public key infrastructure'];
const accountParams = z.strictObject({ account: accountName });
const issuerId = z
  .string()
  .regex(/^[0-9a-f]{16}$/, 'must be 16 lower-case hex digits')
  .meta({ description: 'The id of the certificate authority', examples: ['3f2a9c41b07d5e68'] });
const issuerParams = z.strictObject({ issuerId });
const shardParams = z.strictObject({
  issuerId,
  shard: z
    .string()
    .regex(/^[1-9]\d{0,5}$/, 'must be a number')
    .meta({ description: 'The number of the part', examples: ['1'] }),
});
const formats = { crl: ['application/pkix-crl', 'DER'], pem: ['application/x-pem-file', 'PEM'] } as const;
const mediaOf = {
  crl: { type: formats.crl[0], about: 'A revocation list in DER (RFC 5280 §5)' },
  pem: { type: formats.pem[0], about: 'Revocation lists in PEM' },
};
const chain = { type: 'application/pem-certificate-chain', about: 'Certificates in PEM' };

type Documented = { operationId: string; summary: string; sends: { type: string; about: string }; params?: z.ZodType };

/** What relying parties fetch: chains and lists. Nobody needs a credential for them. */
export function pkiRoutes({ clock, crl, delta, bundle, chainPem, encodePem }: Deps) {
  const sendPem = async (request: FastifyRequest, reply: FastifyReply, lists: List[]) => {
    if (answerFromCache(request, reply, lists, 'pem', clock())) return reply;
    const pems = await Promise.all(lists.map(({ der }) => encodePem(der)));
    return reply.type(formats.pem[0]).send(pems.length === 1 ? pems[0] : Buffer.concat(pems));
  };
  const sendDer = (request: FastifyRequest, reply: FastifyReply, list: List) =>
    answerFromCache(request, reply, [list], 'crl', clock()) ? reply : reply.type(formats.crl[0]).send(list.der);
  const send = {
    crl: sendDer,
    pem: (request: FastifyRequest, reply: FastifyReply, list: List) => sendPem(request, reply, [list]),
  };

  return async (app: App) => {
    const get = (
      url: string,
      { operationId, summary, sends, params }: Documented,
      handler: (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>,
    ) =>
      app.route({
        method: 'GET',
        url,
        config: { access: 'public', sends },
        schema: { operationId, summary, tags, ...(params ? { params } : {}) },
        handler,
      });

    get(
      '/ca/chain.pem',
      { operationId: 'getDefaultChain', summary: 'Issuing CA and root of the account default', sends: chain },
      async (_request, reply) => reply.type('application/pem-certificate-chain').send(await chainPem('default')),
    );
    get(
      '/ca/:account/chain.pem',
      { operationId: 'getChain', summary: 'Issuing CA and root of an account', sends: chain, params: accountParams },
      async (request, reply) =>
        reply
          .type('application/pem-certificate-chain')
          .send(await chainPem((request.params as { account: string }).account)),
    );
    get(
      '/crl/bundle.pem',
      {
        operationId: 'getDefaultCrlBundle',
        summary: 'The lists of every CA of the account default',
        sends: mediaOf.pem,
      },
      async (request, reply) => sendPem(request, reply, await bundle('default')),
    );
    get(
      '/crl/:account/bundle.pem',
      {
        operationId: 'getCrlBundle',
        summary: 'The lists of every CA of an account',
        sends: mediaOf.pem,
        params: accountParams,
      },
      async (request, reply) => sendPem(request, reply, await bundle((request.params as { account: string }).account)),
    );

    for (const extension of ['crl', 'pem'] as const) {
      const format = formats[extension][1];
      const ending = extension === 'pem' ? 'Pem' : '';
      const sends = mediaOf[extension];
      const listed = {
        operationId: `getCrl${ending}`,
        summary: `The list of one CA, ${format}`,
        sends,
        params: issuerParams,
      };
      get(`/crl/:issuerId.${extension}`, listed, async (request, reply) =>
        send[extension](request, reply, await crl((request.params as { issuerId: string }).issuerId)),
      );
      const deltaSummary = `What changed since an earlier list of one CA, ${format}; for readers that know deltas`;
      const changed = { operationId: `getDeltaCrl${ending}`, summary: deltaSummary, sends, params: issuerParams };
      get(`/crl/:issuerId/delta.${extension}`, changed, async (request, reply) =>
        send[extension](request, reply, await delta((request.params as { issuerId: string }).issuerId)),
      );
      const shardSummary = `The list of a part of one CA's certificates, ${format}`;
      const part = { operationId: `getCrlShard${ending}`, summary: shardSummary, sends, params: shardParams };
      get(`/crl/:issuerId/:shard.${extension}`, part, async (request, reply) => {
        const { issuerId: id, shard } = request.params as { issuerId: string; shard: string };
        return send[extension](request, reply, await crl(id, shard));
      });
    }
  };
}

/**
 * Sets what caches use, and answers 304 when the asker has these lists. A number tells every list from every
 * other; a time does so only where no earlier answer can have had the same.
 */
function answerFromCache(
  request: FastifyRequest,
  reply: FastifyReply,
  lists: List[],
  extension: string,
  now: Date,
): boolean {
  const etag = `"${lists.map(({ issuerId: id, scope, number }) => `${id}-${scope}-${number}`).join('+')}-${extension}"`;
  const modified = new Date(Math.max(...lists.map(({ signedAt }) => signedAt.getTime()))).toUTCString();
  const ends = Math.min(...lists.map(({ nextUpdate }) => nextUpdate.getTime()));
  const wanted = Math.min(...lists.map(({ maxAge }) => maxAge));
  const maxAge = Math.max(0, Math.min(wanted, Math.floor((ends - now.getTime()) / 1000)));
  void reply
    .header('cache-control', `public, max-age=${maxAge}, must-revalidate`)
    .header('etag', etag)
    .header('last-modified', modified)
    .header('expires', new Date(now.getTime() + maxAge * 1000).toUTCString());
  const { 'if-none-match': tagsKnown, 'if-modified-since': since } = request.headers;
  const isKnown =
    tagsKnown === undefined
      ? since === modified && isToldByTime(lists)
      : tagsKnown.split(',').some((tag) => ['*', etag, `W/${etag}`].includes(tag.trim()));
  if (isKnown) void reply.code(304).send();
  return isKnown;
}

/**
 * Whether the newest time among lists stands for these lists alone. Of one list, no two have the same time unless it
 * says so. Another list of a bundle that was signed at nearly the same time may have been signed later, by an instance
 * whose clock is behind: the bundle before it had this time too.
 */
function isToldByTime(lists: List[]): boolean {
  const newest = lists.reduce((latest, list) => (list.signedAt > latest.signedAt ? list : latest));
  const settledBefore = newest.signedAt.getTime() - (clockSkewSeconds + 1) * 1000;
  return lists.every((list) => (list === newest ? !list.sameSecond : list.signedAt.getTime() < settledBefore));
}
