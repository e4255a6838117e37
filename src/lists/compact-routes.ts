import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { App } from '../http/route.js';
import type { CompactList, CompactLists } from './compact.js';

const params = z.strictObject({
  issuerId: z
    .string()
    .regex(/^[0-9a-f]{16}$/, 'must be 16 lower-case hex digits')
    .meta({ description: 'The id of the certificate authority', examples: ['3f2a9c41b07d5e68'] }),
});
const tags = ['public key infrastructure'];

/** Lists by the index in certificates, for readers that would rather not hold a CRL. Nobody needs a credential for them. */
export function compactRoutes({ gaps, status }: CompactLists) {
  const send = (
    request: FastifyRequest,
    reply: FastifyReply,
    { bytes, etag, signedAt, endsAt }: CompactList,
    type: string,
  ) => {
    void reply
      .header('cache-control', 'public, max-age=0, must-revalidate')
      .header('etag', etag)
      .header('last-modified', signedAt.toUTCString())
      .header('expires', endsAt.toUTCString());
    const known = request.headers['if-none-match']?.split(',').some((tag) => tag.trim() === etag);
    return known ? reply.code(304).send() : reply.type(type).send(bytes);
  };

  return async (app: App) => {
    app.get(
      '/status/:issuerId',
      {
        config: { access: 'public', sends: { type: 'application/statuslist+jwt', about: 'A Token Status List' } },
        schema: {
          operationId: 'getStatusList',
          summary: 'What one CA revoked, as a Token Status List (JWT)',
          tags,
          params,
        },
      },
      async (request, reply) =>
        send(request, reply, await status(request.params.issuerId), 'application/statuslist+jwt'),
    );
    app.get(
      '/status/:issuerId.gaps',
      {
        config: { access: 'public', sends: { type: 'application/octet-stream', about: 'A signed gap list' } },
        schema: { operationId: 'getGapList', summary: 'What one CA revoked, as a signed gap list', tags, params },
      },
      async (request, reply) => send(request, reply, await gaps(request.params.issuerId), 'application/octet-stream'),
    );
  };
}
