import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { App } from '../http/route.js';
import type { OcspAnswer, OcspResponder } from './responder.js';

const tags = ['public key infrastructure'];
const requestBytes = 16 * 1024;
const requestType = 'application/ocsp-request';

/** OCSP by POST and GET (RFC 6960 §A.1). Whatever is asked, the answer is an OCSP response. */
export function ocspRoutes({ answer, recall }: OcspResponder) {
  const answerBody = async (request: FastifyRequest, reply: FastifyReply) => {
    const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
    const name = body.toString('latin1');
    return send(reply, recall(name) ?? (await answer(body, name)), false);
  };

  return async (app: App) => {
    // What is posted here is a request, whatever it is called: curl and wget call it a form.
    app.removeAllContentTypeParsers();
    app.addContentTypeParser(
      [requestType, '*'],
      { parseAs: 'buffer', bodyLimit: requestBytes },
      (_request, body, done) => done(null, body),
    );

    const summary = 'OCSP: is this certificate valid?';
    const sends = { type: 'application/ocsp-response', about: 'An OCSP response (RFC 6960)' };
    const takes = { type: requestType, about: 'An OCSP request (RFC 6960)' };
    const post = { config: { access: 'public' as const, sends, takes }, bodyLimit: requestBytes };
    app.post('/ocsp', { ...post, schema: { operationId: 'queryOcsp', summary, tags } }, answerBody);
    app.post('/ocsp/', { ...post, schema: { hide: true } }, answerBody);

    app.get(
      '/ocsp/*',
      {
        config: { access: 'public', sends },
        schema: {
          operationId: 'queryOcspByPath',
          summary: 'The same; the request in base64 is the path',
          tags,
          params: z.object({ '*': z.string().describe('The request in base64, escaped') }),
        },
      },
      async (request, reply) => {
        const path = request.params['*'];
        const name = `GET ${path}`;
        return send(reply, recall(name) ?? (await answer(requestIn(path), name)), true);
      },
    );
  };
}

/**
 * The request in a path. Clients escape it, or do not, write base64 or base64url, leave its end off, or put a slash
 * too many before it. What is neither base64 is no request.
 */
function requestIn(path: string): Buffer {
  // A request begins with an M: a slash before it belongs to the path.
  const letters = path.replace(/^\/+/, '').replaceAll(' ', '+');
  return /^[A-Za-z0-9+/_-]+={0,2}$/.test(letters) ? Buffer.from(letters, 'base64') : Buffer.alloc(0);
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
