import { z } from 'zod';
import { named } from '../api/named.js';
import { page, pageOf, pageQuery, placeIn, spanOf } from '../api/paging.js';
import { rfc3339 } from '../clock.js';
import { grantee } from '../http/request.js';
import type { App } from '../http/route.js';
import { logCursor, logPosition, mostInt, timestamp, uuid } from '../shapes.js';
import { followerView } from '../log/entries.js';
import type { Proxies } from './proxies.js';

const tags = ['revocations'];
const word = z
  .string()
  .regex(/^[A-Za-z0-9:._-]{1,128}$/, 'must be 1 to 128 letters, digits, and : . _ -')
  .meta({ examples: ['edge-1'] });
const proxyName = word.describe('The name of the edge');
const params = z.strictObject({ id: uuid.describe('The id of the edge') });
const newProxy = named(
  'NewProxy',
  'An edge to register',
  z.strictObject({
    name: proxyName,
    sessions: z.boolean().default(false).describe('It holds sessions of devices, and will say what it enforces'),
  }),
).meta({ examples: [{ name: 'edge-1', sessions: true }] });
const proxy = named(
  'Proxy',
  'An edge, and how far it has come',
  z.object({
    id: uuid.describe('The id of the edge'),
    name: proxyName,
    createdAt: timestamp.describe('When the edge was registered'),
    stale: z.boolean().describe('It has confirmed nothing for a while'),
    mode: z.string().optional().describe('How it follows'),
    incarnation: z.string().optional().describe('Its present run'),
    position: z.int().optional().describe('How far it has applied the log'),
    cursor: z.string().optional().describe('The same as a cursor'),
    confirmedAt: timestamp.optional().describe('When it last said so'),
    sessions: z.boolean().describe('It holds sessions of devices, so only what it says it enforces counts'),
    enforced: logCursor.optional().describe('How far no live session contradicts the log'),
  }),
);
const ofReceipt = {
  id: uuid.describe('The id of the edge'),
  name: proxyName,
  mode: z.string().describe('How it follows'),
  sessions: z.boolean().describe('It holds sessions of devices'),
  appliedAt: timestamp.describe('When it first said that it knows the entry'),
  enforcedAt: timestamp.optional().describe('When it first said that no live session contradicts the entry'),
  sessionsClosed: z.int().optional().describe('How many sessions it closed for that report'),
};
const edgeReceipt = named('EdgeReceipt', 'What an edge has said of an entry', z.object(ofReceipt));
const enforcing = named(
  'EnforcingEdge',
  'An edge that enforces an entry',
  z.object({ ...ofReceipt, since: timestamp.describe('Since when it enforces the entry') }),
);
const receipt = named(
  'RevocationReceipt',
  'An entry, and what the edges have said of it',
  z.looseObject({
    position: logPosition,
    at: timestamp.describe('When it happened'),
    type: z.string().describe('The type of the entry'),
    enforced: z.boolean().describe('The account has proxies, and every one of them enforces it'),
    enforcedBy: z.array(enforcing).describe('The edges that enforce it'),
    notEnforcedBy: z.array(proxy).describe('The edges that do not'),
    items: z.array(edgeReceipt).describe('Every proxy that knows the entry, whether it counts as enforcing it or not'),
  }),
);
const applied = named(
  'AppliedReport',
  'How far an edge has applied the log',
  z.strictObject({
    cursor: logCursor.describe('How far the log is applied'),
    incarnation: word.describe('Differs for every run of the proxy: a new run has not applied anything yet'),
    mode: word.describe('How it follows, such as stream or poll'),
    enforced: logCursor.optional().describe('With sessions: no live session contradicts the log up to here'),
    sessionsClosed: z
      .int()
      .min(0)
      .max(mostInt)
      .optional()
      .describe('With sessions: how many it closed since its last report'),
  }),
).meta({ examples: [{ cursor: '0f8fad5b-d9cb-469f-a165-70867728950e:0', incarnation: 'run-1', mode: 'stream' }] });

const positionParams = z.strictObject({
  position: z
    .string()
    .regex(/^\d{1,15}$/, 'must be a position')
    .meta({ description: 'The position of the entry', examples: ['1'] }),
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
    sessions: rest.sessions,
    ...(rest.mode === null ? {} : { mode: rest.mode }),
    ...(rest.incarnation === null ? {} : { incarnation: rest.incarnation }),
    ...(rest.applied === null ? {} : { position: Number(rest.applied), cursor: cursorAt(Number(rest.applied)) }),
    ...(rest.enforced === null ? {} : { enforced: cursorAt(Number(rest.enforced)) }),
    ...(rest.confirmedAt === null ? {} : { confirmedAt: rfc3339(rest.confirmedAt) }),
  });

  return async (app: App) => {
    app.post(
      '/v1/proxies',
      {
        config: { access: 'proxies:write' },
        schema: {
          operationId: 'createProxy',
          summary: 'Register an edge by its name; the same name returns the same proxy',
          tags,
          body: newProxy,
          response: { 200: proxy, 201: proxy },
        },
      },
      async (request, reply) => {
        const { proxy: found, created } = await proxies.register(
          grantee(request),
          request.body.name,
          request.body.sessions,
        );
        return reply.code(created ? 201 : 200).send(present(found));
      },
    );

    app.get(
      '/v1/proxies',
      {
        config: { access: 'revocations:read' },
        schema: {
          operationId: 'listProxies',
          summary: 'The edges, and how far each has come',
          tags,
          querystring: pageQuery,
          response: { 200: page(proxy) },
        },
      },
      async (request) => {
        const { account } = grantee(request);
        const place = placeIn(`proxies ${account}`, request.query);
        const { after = '', limit } = spanOf(place, /^[A-Za-z0-9:._-]{1,128}$/);
        return pageOf(await proxies.list(account, after, limit), place, ({ name }) => name, present);
      },
    );

    app.delete(
      '/v1/proxies/:id',
      {
        config: { access: 'proxies:write' },
        schema: {
          operationId: 'deleteProxy',
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
          operationId: 'reportApplied',
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
          operationId: 'getRevocation',
          summary: 'An entry, the edges that enforce it and since when, and those that do not',
          tags,
          params: positionParams,
          response: { 200: receipt },
        },
      },
      async (request) => {
        const position = Number(request.params.position);
        const { entry, enforced, edges, enforcedBy, notEnforcedBy } = await proxies.receipt(
          grantee(request).account,
          position,
        );
        return {
          ...followerView(entry),
          enforced,
          enforcedBy: enforcedBy.flatMap((edge) =>
            receiptsOf(edge).map((of) => ({ ...of, since: rfc3339(edge.since) })),
          ),
          notEnforcedBy: notEnforcedBy.map(present),
          items: edges.flatMap(receiptsOf),
        };
      },
    );
  };
}

type Edge = Awaited<ReturnType<Proxies['receipt']>>['notEnforcedBy'][number];

/** What an edge has said of an entry; nothing unless it knows it. */
function receiptsOf({ id, name, mode, sessions, appliedAt, enforcedAt, closed }: Edge): z.output<typeof edgeReceipt>[] {
  if (appliedAt === null || mode === null) return [];
  const enforced = enforcedAt === null ? {} : { enforcedAt: rfc3339(enforcedAt), sessionsClosed: closed ?? 0 };
  return [{ id, name, mode, sessions, appliedAt: rfc3339(appliedAt), ...enforced }];
}
