import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import type { App } from '../http/route.js';
import type { OcspAnswer, OcspResponder } from './responder.js';

const tags = ['public key infrastructure'];
const requestBytes = 16 * 1024;

/** OCSP by POST and GET (RFC 6960 §A.1). Whatever is asked, the answer is an OCSP response. */
export function ocspRoutes({ answer }: OcspResponder) {
  return async (app: App) => {
    app.addContentTypeParser(
      'application/ocsp-request',
      { parseAs: 'buffer', bodyLimit: requestBytes },
      (_request, body, done) => done(null, body),
    );

    app.post(
      '/ocsp',
      {
        config: { access: 'public' },
        bodyLimit: requestBytes,
        schema: { summary: 'OCSP: is this certificate good?', tags, consumes: ['application/ocsp-request'] },
      },
      async (request, reply) => {
        const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
        return send(reply, await answer(body), false);
      },
    );

    app.get(
      '/ocsp/*',
      {
        config: { access: 'public' },
        schema: { summary: 'The same; the request in base64 is the path', tags, params: z.object({ '*': z.string() }) },
      },
      async (request, reply) => {
        // Clients escape the path, or do not, or put a slash too many before it.
        const base64 = request.params['*'].replace(/^\/+/, '').replaceAll(' ', '+');
        const isBase64 = /^[A-Za-z0-9+/]+={0,2}$/.test(base64);
        return send(reply, await answer(isBase64 ? Buffer.from(base64, 'base64') : Buffer.alloc(0)), true);
      },
    );
  };
}

/** Caches may keep an answer, and must ask whether it is still the one, as with lists. */
function send(
  reply: FastifyReply,
  { der, thisUpdate, nextUpdate, etag }: OcspAnswer,
  cacheable: boolean,
): FastifyReply {
  void reply.type('application/ocsp-response').header('content-length', der.length);
  if (!cacheable || !thisUpdate || !nextUpdate || !etag) return reply.header('cache-control', 'no-store').send(der);
  return reply
    .header('cache-control', 'max-age=0, public, no-transform, must-revalidate')
    .header('etag', etag)
    .header('last-modified', thisUpdate.toUTCString())
    .header('expires', nextUpdate.toUTCString())
    .send(der);
}
