import { z } from 'zod';
import type { Promises } from '../access/grantee.js';
import { rfc3339 } from '../clock.js';
import { events, sendStream } from '../http/streams/event-stream.js';
import { grantee } from '../http/request.js';
import type { App } from '../http/route.js';
import { encodeCursor } from '../log/cursor.js';
import { logCursor } from '../shapes.js';
import type { EdgePrincipals } from './principals.js';
import type { EdgeThings } from './things.js';
import * as schema from './schema.js';
import { edgeSnapshotPath, type EdgeSnapshotPage, type EdgeSnapshots } from './snapshot.js';

const tags = ['edges'];

type Deps = {
  snapshots: EdgeSnapshots;
  principals: EdgePrincipals;
  things: EdgeThings;
  following: Parameters<typeof sendStream>[2];
  /** The `iss` of access tokens. */
  tokenIssuer: string;
  /** The time in milliseconds, RFC 3339: edges set their clock by it. */
  serverTime(): string;
};

/** What edges decide from: a snapshot, what changes after it, and who holds a certificate. */
export function edgeFeedRoutes({ snapshots, principals, things, following, tokenIssuer, serverTime }: Deps) {
  const present = (page: EdgeSnapshotPage, promises: Promises): z.output<typeof schema.edgeSnapshot> => {
    const { foundations, next, policies, segments, pipelines, things, certificates, ...place } = page;
    return {
      ...place,
      cursor: encodeCursor(place),
      ...(foundations ? { ...presentFoundations(foundations), promises: shownPromises(promises) } : {}),
      policies,
      segments: segments.map((segment) => ({ ...segment, trafficPolicy: { ...segment.trafficPolicy } })),
      pipelines,
      things,
      certificates,
      serverTime: serverTime(),
      ...(next === undefined ? {} : { next: `${edgeSnapshotPath}?page=${next}` }),
    };
  };

  return async (app: App) => {
    app.get(
      edgeSnapshotPath,
      {
        config: { access: 'edge:follow', cost: 'free', load: 'page' },
        schema: {
          operationId: 'getEdgeSnapshot',
          summary: 'Everything that an edge decides from; large ones come in pages, which next leads through',
          description:
            'All pages belong to the position of the first. A later page may hold what changed since then, and the stream says it again, so decide only after the first head of the stream.',
          tags,
          querystring: schema.edgeSnapshotQuery,
          response: { 200: schema.edgeSnapshot },
        },
      },
      async (request, reply) => {
        reply.header('cache-control', 'no-store');
        const { account, promises } = grantee(request);
        return present(await snapshots.read(account, request.query.page), promises);
      },
    );

    app.get(
      '/v1/edge/stream',
      {
        config: { access: 'edge:follow', cost: 'free', sends: events },
        schema: {
          operationId: 'streamEdgeEntries',
          summary: 'What changes, in the view of edges, as server-sent events; Last-Event-ID or after says from where',
          description:
            'The header thingward-token-issuer has the iss of access tokens, which changes with the public address of the server: tokens with another one count no longer.',
          tags,
          querystring: z.strictObject({ after: logCursor.optional().describe('Entries after this place') }),
        },
      },
      (request, reply) => sendStream(request, reply, following, { 'thingward-token-issuer': tokenIssuer }),
    );

    app.post(
      '/v1/edge/principals',
      {
        config: { access: 'edge:follow', cost: 'free', load: 'batch' },
        schema: {
          operationId: 'findPrincipals',
          summary: 'The holders of certificates, by fingerprint; null for those that the account does not have',
          tags,
          body: schema.askedPrincipals,
          response: { 200: schema.foundPrincipals },
        },
      },
      async (request, reply) => {
        const { fingerprints, atLeast } = request.body;
        const { principals: found, cursor } = await principals.find(grantee(request).account, fingerprints, atLeast);
        reply.header('cache-control', 'no-store');
        return { principals: found.map((each) => presentPrincipal(each)), cursor };
      },
    );

    app.post(
      '/v1/edge/things',
      {
        config: { access: 'edge:follow', cost: 'free', load: 'batch' },
        schema: {
          operationId: 'findEdgeThings',
          summary: 'Things by their names, for those who end sessions where devices are known by name',
          tags,
          body: schema.askedThings,
          response: { 200: schema.foundThings },
        },
      },
      async (request, reply) => {
        const { names, atLeast } = request.body;
        const found = await things.find(grantee(request).account, names, atLeast);
        reply.header('cache-control', 'no-store');
        return { things: found.things.map((each) => each && presentThing(each)), cursor: found.cursor };
      },
    );

    app.get(
      '/v1/edge/things',
      {
        config: { access: 'edge:follow', cost: 'free', load: 'page' },
        schema: {
          operationId: 'listEdgeThings',
          summary: 'All things in the order of their names, for those who keep lists of them at brokers',
          tags,
          querystring: schema.edgeThingsQuery,
          response: { 200: schema.listedThings },
        },
      },
      async (request, reply) => {
        const { things: listed, cursor, next } = await things.list(grantee(request).account, request.query.after ?? '');
        reply.header('cache-control', 'no-store');
        const path = next === undefined ? {} : { next: `/v1/edge/things?after=${encodeURIComponent(next)}` };
        return { things: listed.map(presentThing), cursor, ...path };
      },
    );
  };
}

type Listed = Awaited<ReturnType<EdgeThings['list']>>['things'][number];

function presentThing({ notAfter, ...rest }: Listed) {
  return { ...rest, notAfter: notAfter && rfc3339(notAfter) };
}

/** What an edge judges by as the control plane does for its key. */
function shownPromises({ bearer, enforcesCrl, followsFeed }: Promises) {
  return { bearer, enforcesCrl, followsFeed };
}

type Found = NonNullable<Awaited<ReturnType<EdgePrincipals['find']>>['principals'][number]>;

/** A holder as edges read it. One that the database has in a form that no edge can read is unknown: the others of a question get their answer. */
function presentPrincipal(found: Found | null): z.output<typeof schema.principal> | null {
  if (found === null) return null;
  const { notAfter, reason, otherLive, ...rest } = found;
  if (Number.isNaN(notAfter.getTime())) return null;
  const shown = {
    ...rest,
    notAfter: rfc3339(notAfter),
    ...(reason === null ? {} : { reason, otherLive: otherLive === true }),
  };
  return schema.principal.safeParse(shown).data ?? null;
}

function presentFoundations({ account, tokenIssuer, issuers, jwks }: NonNullable<EdgeSnapshotPage['foundations']>) {
  const { name, status, timeZone, clientIdForm } = account;
  return {
    account: { name, status, settings: { timeZone, clientIdForm } },
    tokenIssuer,
    issuers,
    jwks: jwks as { keys: { kid: string }[] },
  };
}
