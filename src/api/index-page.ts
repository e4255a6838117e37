import { z } from 'zod';
import { named } from './named.js';
import type { App } from '../http/route.js';

const index = named(
  'Index',
  'Where to go from here',
  z.object({
    name: z.string().describe('The name of the program'),
    version: z.string().describe('Its version'),
    docs: z.string().describe('The operations, to read and to try'),
    openapi: z.string().describe('The same for programs'),
    health: z.string().describe('Whether the server can do its work'),
    chain: z.string().describe('The certificates that devices are verified with'),
  }),
);
const links = { docs: '/docs', openapi: '/openapi.json', health: '/readyz', chain: '/ca/chain.pem' };
const policy =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The mark of the documentation: a word and a shield, drawn here. */
export const logo = Buffer.from(
  '<svg xmlns="http://www.w3.org/2000/svg" width="160" height="40" viewBox="0 0 160 40"><path d="M20 4 6 9v10c0 8 6 14 14 17 8-3 14-9 14-17V9z" fill="none" stroke="#fff" stroke-width="3"/><text x="44" y="26" fill="#fff" font-family="sans-serif" font-size="19">Thingward</text></svg>',
);

/** `GET /`: what the server is, and where its documentation is; a page for people, JSON for programs. */
export function mountIndex(app: App, version: string): void {
  const answer = { name: 'Thingward', version, ...links };
  const items = Object.entries(links).map(([name, path]) => `<li><a href="${path}">${name}</a></li>`);
  const page = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Thingward</title><style>body{font:16px sans-serif;margin:3em}</style><h1>Thingward ${version}</h1><p>Device identity and policy for edge fleets.</p><ul>${items.join('')}</ul></html>`;

  app.get(
    '/',
    {
      config: { access: 'public', cost: 'free' },
      schema: {
        operationId: 'getIndex',
        summary: 'What the server is, and where its documentation is; HTML for browsers',
        tags: ['operations'],
        response: { 200: index },
      },
    },
    async (request, reply) => {
      void reply.header('vary', 'accept');
      if (!request.headers.accept?.includes('text/html')) return answer;
      const html = reply.type('text/html; charset=utf-8').header('content-security-policy', policy);
      return html.serializer(String).send(page as never);
    },
  );
}
