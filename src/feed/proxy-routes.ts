import { z } from 'zod';
import { rfc3339 } from '../clock.js';
import { DomainError } from '../errors.js';
import { requirePermissions } from '../access/grantee.js';
import { grantee } from '../http/request.js';
import type { App } from '../http/route.js';
import { logCursor, page, pageOf, pageQuery, readCursor, timestamp } from '../shapes.js';
import { mostOfAccount, tooMany } from '../limits.js';
import { followAnew, parseCursor } from '../log/cursor.js';
import { followerView } from '../log/entries.js';
import type { Enforcement, Proxy, ProxyStore } from './proxy-store.js';

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

type Deps = { store: ProxyStore; clock(): Date; cursorAt(position: number): string };

/** Edges say what they have applied, and admins read who enforces a revocation. */
export function proxyRoutes({ store, clock, cursorAt }: Deps) {
  const present = ({ id, name, createdAt, stale, ...rest }: Proxy): z.output<typeof proxy> => ({
    ...{ id, name, createdAt: rfc3339(createdAt), stale },
    ...(rest.mode === null ? {} : { mode: rest.mode }),
    ...(rest.incarnation === null ? {} : { incarnation: rest.incarnation }),
    ...(rest.applied === null ? {} : { position: Number(rest.applied), cursor: cursorAt(Number(rest.applied)) }),
    ...(rest.confirmedAt === null ? {} : { confirmedAt: rfc3339(rest.confirmedAt) }),
  });

  // A proxy that fell silent may have lost what it applied: it counts for nothing until it speaks again.
  const enforces = ({ stale, since }: Enforcement): boolean => !stale && since !== null;

  const noProxy = (id: string) => new DomainError('not-found', `there is no proxy ${id}: POST /v1/proxies`);

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
        const { account, id: keyId } = grantee(request);
        const { name } = request.body;
        const registered = await store.register(account, keyId, name, clock());
        if (!registered)
          throw tooMany('edges', mostOfAccount.proxies, 'DELETE /v1/proxies/{id} those that are no more');
        const { proxy: found, created } = registered;
        if (found.keyId !== keyId)
          throw new DomainError(
            'conflict',
            `another key registered ${name}: DELETE /v1/proxies/${found.id} frees the name`,
          );
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
        const rows = await store.list(grantee(request).account, after, limit + 1);
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
        const { id } = request.params;
        const caller = grantee(request);
        const holder = await store.holderOf(caller.account, id);
        if (holder !== undefined && holder !== caller.id)
          requirePermissions(caller, ['keys:write'], 'removing the edge of another key');
        if (!(await store.remove(caller.account, id))) throw noProxy(id);
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
      async (request) => {
        const { cursor, incarnation, mode } = request.body;
        const { id } = request.params;
        const { account, id: keyId } = grantee(request);
        const confirmation = { ...parseCursor(cursor), incarnation, mode };
        const result = await store.confirm(account, keyId, id, confirmation);
        if (result === 'unknown') throw noProxy(id);
        if (result === 'other-key')
          throw new DomainError('forbidden', 'another key registered this proxy, and only that key can report for it');
        if (result === 'other-epoch') throw followAnew();
        if (result === 'ahead')
          throw new DomainError('conflict', 'the log has not reached that cursor: confirm a cursor that you received');
        return present(result);
      },
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
        const { account } = grantee(request);
        const position = Number(request.params.position);
        const entry = await store.entry(account, position);
        if (!entry) throw new DomainError('not-found', `the log of this account has no entry ${position}`);
        const edges = await store.enforcement(account, position);
        const enforcedBy = edges
          .filter(enforces)
          .map(({ id, name, mode, since }) => ({ id, name, mode: mode!, since: rfc3339(since!) }));
        const notEnforcedBy = edges.filter((edge) => !enforces(edge)).map(present);
        return {
          ...followerView(entry),
          enforced: enforcedBy.length > 0 && notEnforcedBy.length === 0,
          enforcedBy,
          notEnforcedBy,
        };
      },
    );
  };
}
