import files from '@fastify/static';
import type { FastifyReply } from 'fastify';
import { randomBytes } from 'node:crypto';
import { DomainError } from '../errors.js';
import type { App } from '../http/route.js';
import { pageWith, type Site } from './site.js';

/** The browser keeps assets for a year: a changed one has another name. */
const assetsKeptMs = 365 * 24 * 3600 * 1000;

// They lie in one folder, and no octet of a path leads out of it.
const assetName = /^\w[\w.-]*$/;

const open = { config: { access: 'public', cost: 'free' }, schema: { hide: true } } as const;

/** Everything comes from this server, no script stands in a page, and no page shows it in a frame. */
const policyWith = (nonce: string): string =>
  [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self' data:",
    "connect-src 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'self'",
  ].join('; ');

/** `/console/`: its assets, and one page for every other path, which the page itself reads. */
export function consoleRoutes(site: Site | undefined) {
  return async (app: App) => {
    if (site === undefined) {
      for (const path of ['/console', '/console/*']) app.get(path, open, refuseUnbuilt);
      return;
    }
    await app.register(files, {
      root: site.folder,
      serve: false,
      index: false,
      preCompressed: true,
      immutable: true,
      maxAge: assetsKeptMs,
    });

    app.get('/console', open, async (_request, reply) => reply.redirect('/console/', 308));
    app.get<{ Params: { '*': string } }>('/console/assets/*', open, (request, reply) => {
      if (!assetName.test(request.params['*'])) throw new DomainError('not-found', 'the console has no such file');
      void reply.header('x-content-type-options', 'nosniff');
      return reply.sendFile(`assets/${request.params['*']}`);
    });
    app.get('/console/*', open, async (_request, reply) => sendPage(reply, site));
  };
}

function sendPage(reply: FastifyReply, site: Site): FastifyReply {
  const nonce = randomBytes(16).toString('base64');
  return reply
    .header('content-security-policy', policyWith(nonce))
    .header('cache-control', 'no-store')
    .header('x-content-type-options', 'nosniff')
    .header('referrer-policy', 'no-referrer')
    .header('cross-origin-opener-policy', 'same-origin')
    .type('text/html; charset=utf-8')
    .send(pageWith(nonce, site));
}

async function refuseUnbuilt(): Promise<never> {
  throw new DomainError('not-found', 'the console is not built here: run npm run build, and start again');
}
