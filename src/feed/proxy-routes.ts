import { z } from 'zod';
import { rfc3339 } from '../clock.js';
import { grantee } from '../http/request.js';
import type { App } from '../http/route.js';
import { logCursor, page, pageOf, pageQuery, readCursor, timestamp } from '../shapes.js';
import { followerView } from '../log/entries.js';
import type { Proxies } from './proxies.js';

const tags = ['revocations'];
const proxyName = z.string().regex(/^[A-Za-z0-9:._-]{1,128}$/, 'must be 1 to 128 letters, digits, and : . _ -');
const word = z.string().regex(/^[A-Za-z0-9:._-]{1,128}$/, 'must be 1 to 128 letters, digits, and : . _ -');
const params = z.strictObject({ id: z.uuid() });
const proxy = z.object({
  id: z.uuid(),
  name: proxyName,
  createdAt: timestamp,
  stale: z.boolean(),
  mode: z.string().optional(),
  incarnation: z.string().optional(),
  position: z.int().optional(),
  cursor: z.string().optional(),
  confirmedAt: timestamp.optional(),
});
const enforcing = z.object({ id: z.uuid(), name: proxyName, mode: z.string(), since: timestamp });
const receipt = z.looseObject({
  position: z.int(),
  at: timestamp,
  type: z.string(),
  enforced: z.boolean().describe('The account has proxies, and every one of them enforces it'),
  enforcedBy: z.array(enforcing),
  notEnforcedBy: z.array(proxy),
});
const applied = z.strictObject({
  cursor: logCursor,
  incarnation: word.describe('Differs for every run of the proxy: a new run has not applied anything yet'),
  mode: word.describe('How it follows, such as stream or poll'),
});

type Deps = { proxies: Proxies; cursorAt(position: number): string };

type Proxy = Awaited<ReturnType<Proxies['confirm']>>;

/** Edges say what they have applied, and admins read who enforces a revocation. */
export function proxyRoutes({ proxies, cursorAt }: Deps) {
  const present = ({ id, name, createdAt, stale, ...rest }: Proxy): z.output<typeof proxy> => ({
    id,
    name,
    createdAt: rfc3339(createdAt),
    stale,
    ...(rest.mode === null ? {} : { mode: rest.mode }),
    ...(rest.incarnation === null ? {} : { incarnation: rest.incarnation }),
    ...(rest.applied === null ? {} : { position: Number(rest.applied), cursor: cursorAt(Number(rest.applied)) }),
    ...(rest.confirmedAt === null ? {} : { confirmedAt: rfc3339(rest.confirmedAt) }),
  });

  return async (app: App) => {
    app.post(
      '/v1/proxies',
      {
        config: { access: 'proxies:write' },
        schema: {
          summary: 'Register an edge by its name; the same name returns the same proxy',
          tags,
          body: z.strictObject({ name: proxyName }),
          response: { 200: proxy, 201: proxy },
        },
      },
      async (request, reply) => {
        const { proxy: found, created } = await proxies.register(grantee(request), request.body.name);
        return reply.code(created ? 201 : 200).send(present(found));
      },
    );

    app.get(
      '/v1/proxies',
      {
        config: { access: 'revocations:read' },
        schema: {
          summary: 'The edges, and how far each has come',
          tags,
          querystring: pageQuery,
          response: { 200: page(proxy) },
        },
      },
      async (request) => {
        const { limit, cursor } = request.query;
        const after = readCursor(cursor, /^[A-Za-z0-9:._-]{1,128}$/) ?? '';
        const rows = await proxies.list(grantee(request).account, after, limit + 1);
        return pageOf(rows, limit, ({ name }) => name, present);
      },
    );

    app.delete(
      '/v1/proxies/:id',
      {
        config: { access: 'proxies:write' },
        schema: {
          summary: 'Remove a retired edge; that of another key also needs keys:write',
          tags,
          params,
          response: { 204: z.null() },
        },
      },
      async (request, reply) => {
        await proxies.remove(grantee(request), request.params.id);
        return reply.code(204).send(null);
      },
    );

    app.post(
      '/v1/proxies/:id/applied',
      {
        config: { access: 'proxies:write', cost: 'free' },
        schema: {
          summary: 'Confirm how far the log is applied',
          tags,
          params,
          body: applied,
          response: { 200: proxy },
        },
      },
      async (request) => present(await proxies.confirm(grantee(request), request.params.id, request.body)),
    );

    app.get(
      '/v1/revocations/:position',
      {
        config: { access: 'revocations:read' },
        schema: {
          summary: 'An entry, the edges that enforce it and since when, and those that do not',
          tags,
          params: z.strictObject({ position: z.string().regex(/^\d{1,15}$/, 'must be a position') }),
          response: { 200: receipt },
        },
      },
      async (request) => {
        const position = Number(request.params.position);
        const { entry, enforced, enforcedBy, notEnforcedBy } = await proxies.receipt(
          grantee(request).account,
          position,
        );
        return {
          ...followerView(entry),
          enforced,
          enforcedBy: enforcedBy.map(({ id, name, mode, since }) => ({ id, name, mode: mode!, since: rfc3339(since) })),
          notEnforcedBy: notEnforcedBy.map(present),
        };
      },
    );
  };
}
