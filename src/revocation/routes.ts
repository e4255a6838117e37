import type { FastifyReply, FastifyRequest } from 'fastify';
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { App } from '../http/route.js';
import { accountName } from '../http/shapes.js';

type List = { der: Buffer; thisUpdate: Date };

type Deps = {
  crl(issuerId: string): Promise<List>;
  bundle(account: string): Promise<List[]>;
  chainPem(account: string): Promise<string>;
  encodePem(der: Buffer): string;
};

const tags = ['public key infrastructure'];
const accountParams = z.strictObject({ account: accountName });
const issuerParams = z.strictObject({
  issuerId: z.string().regex(/^[0-9a-f]{16}$/, 'must be 16 lower-case hex digits'),
});

/** What relying parties fetch: chains and lists. Nobody needs a credential for them. */
export function pkiRoutes({ crl, bundle, chainPem, encodePem }: Deps) {
  const pemOf = (lists: List[]) => lists.map(({ der }) => encodePem(der)).join('');
  const newest = (lists: List[]) => new Date(Math.max(...lists.map(({ thisUpdate }) => thisUpdate.getTime())));

  return async (app: App) => {
    const get = (
      url: string,
      summary: string,
      params: z.ZodType | undefined,
      handler: (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>,
    ) =>
      app.route({
        method: 'GET',
        url,
        config: { access: 'public' },
        schema: { summary, tags, ...(params ? { params } : {}) },
        handler,
      });

    get('/ca/chain.pem', 'Issuing CA and root of the account default', undefined, async (_request, reply) =>
      reply.type('application/pem-certificate-chain').send(await chainPem('default')),
    );
    get('/ca/:account/chain.pem', 'Issuing CA and root of an account', accountParams, async (request, reply) =>
      reply
        .type('application/pem-certificate-chain')
        .send(await chainPem((request.params as { account: string }).account)),
    );

    const sendBundle = async (account: string, request: FastifyRequest, reply: FastifyReply) => {
      const lists = await bundle(account);
      return sendList(request, reply, 'application/x-pem-file', pemOf(lists), newest(lists));
    };
    get('/crl/bundle.pem', 'The lists of every CA of the account default', undefined, (request, reply) =>
      sendBundle('default', request, reply),
    );
    get('/crl/:account/bundle.pem', 'The lists of every CA of an account', accountParams, (request, reply) =>
      sendBundle((request.params as { account: string }).account, request, reply),
    );
    get('/crl/:issuerId.crl', 'The list of one CA, DER', issuerParams, async (request, reply) => {
      const list = await crl((request.params as { issuerId: string }).issuerId);
      return sendList(request, reply, 'application/pkix-crl', list.der, list.thisUpdate);
    });
    get('/crl/:issuerId.pem', 'The list of one CA, PEM', issuerParams, async (request, reply) => {
      const list = await crl((request.params as { issuerId: string }).issuerId);
      return sendList(request, reply, 'application/x-pem-file', pemOf([list]), list.thisUpdate);
    });
  };
}

/** Caches may keep a list, and must ask whether it is still the one. */
function sendList(
  request: FastifyRequest,
  reply: FastifyReply,
  type: string,
  body: string | Buffer,
  modified: Date,
): FastifyReply {
  const etag = `"${createHash('sha256').update(body).digest('base64url')}"`;
  void reply
    .header('cache-control', 'public, max-age=0, must-revalidate')
    .header('etag', etag)
    .header('last-modified', modified.toUTCString());
  if (request.headers['if-none-match'] === etag) return reply.code(304).send();
  return reply.type(type).send(body);
}
