import type { FastifyReply } from 'fastify';
import type { App } from '../http/route.js';
import type { OcspAnswer, OcspResponder } from './responder.js';

const tags = ['public key infrastructure'];
const requestBytes = 16 * 1024;

/** OCSP by POST and GET (RFC 6960 §A.1). Whatever is asked, the answer is an OCSP response. */
export function ocspRoutes({ answer, recall }: OcspResponder) {
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
        const name = body.toString('latin1');
        return send(reply, recall(name) ?? (await answer(body, name)), false);
      },
    );

    app.get(
      '/ocsp/*',
      {
        config: { access: 'public' },
        schema: { summary: 'The same; the request in base64 is the path', tags },
      },
      async (request, reply) => {
        const path = (request.params as { '*': string })['*'];
        const name = `GET ${path}`;
        return send(reply, recall(name) ?? (await answer(requestIn(path), name)), true);
      },
    );
  };
}

/** The request in a path. Clients escape it, or do not, or put a slash too many before it. What is no base64 is no request. */
function requestIn(path: string): Buffer {
  const base64 = path.replace(/^\/+/, '').replaceAll(' ', '+');
  return /^[A-Za-z0-9+/]+={0,2}$/.test(base64) ? Buffer.from(base64, 'base64') : Buffer.alloc(0);
}

/** Caches may keep an answer, and must ask whether it is still the one, as with lists. */
function send(reply: FastifyReply, { der, cached }: OcspAnswer, isGet: boolean): FastifyReply {
  void reply.type('application/ocsp-response').header('content-length', der.length);
  if (!isGet || !cached) return reply.header('cache-control', 'no-store').send(der);
  return reply
    .header('cache-control', 'max-age=0, public, no-transform, must-revalidate')
    .header('etag', cached.etag)
    .header('last-modified', cached.lastModified)
    .header('expires', cached.expires)
    .send(der);
}
