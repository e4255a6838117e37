import { z } from 'zod';
import { named } from '../api/named.js';
import { events, sendStream } from '../http/streams/event-stream.js';
import { grantee } from '../http/request.js';
import type { App } from '../http/route.js';
import { encodeCursor } from '../log/cursor.js';
import { followerView } from '../log/entries.js';
import { fingerprint, logCursor, logPosition, serialNumber, thingName, timestamp } from '../shapes.js';
import type { FeedService } from './service.js';
import { jose, sendSigned, sendSnapshot } from './snapshot-routes.js';

const tags = ['revocations'];
const feedQuery = z.strictObject({
  after: logCursor.optional().describe('Entries after this place; from the start without it'),
  limit: z.coerce.number().int().min(1).max(1000).default(100).describe('The most entries'),
});
const entry = named(
  'FeedEntry',
  'An entry of the log; the other members depend on its type',
  z.looseObject({
    position: logPosition,
    at: timestamp.describe('When it happened'),
    type: z.string().describe('The type of the entry, such as `certificate`'),
  }),
);
const place = {
  epoch: z.string().describe('The epoch of the log: a restored backup begins another'),
  position: z.int().describe('How far this reaches'),
  cursor: z.string().describe('The same as a cursor: continue after it'),
};
const feedPage = named(
  'FeedPage',
  'Entries of the log',
  z.object({
    ...place,
    entries: z.array(entry).describe('The entries, in the order of their positions'),
    next: z.string().optional().describe('The path of the next page, if there is more'),
  }),
);
const refusedCertificate = named(
  'RefusedCertificate',
  'A certificate that is revoked or held',
  z.object({
    serialNumber,
    fingerprint: fingerprint.optional().describe('Absent where a restored backup lacks the certificate'),
    thingName: thingName.optional().describe('Absent where a restored backup lacks the certificate'),
    reason: z.string().describe('Why it is revoked or held'),
    revokedAt: timestamp.describe('When it was revoked or held'),
  }),
);
const refusedThing = named(
  'RefusedThing',
  'A thing that is suspended or revoked, or whose older tokens are',
  z.object({
    thingName,
    status: z.string().describe('Its status'),
    minGen: z.int().describe('Tokens of a lower `gen` are refused'),
  }),
);
const snapshot = named(
  'RevocationSnapshot',
  'Everything that is revoked, held or suspended',
  z.object({
    ...place,
    certificates: z.array(refusedCertificate).describe('Certificates that are revoked or held'),
    things: z.array(refusedThing).describe('Things that are suspended or revoked'),
  }),
);
const streamQuery = z.strictObject({ after: logCursor.optional().describe('Entries after this place') });

type Deps = {
  service: FeedService;
  /** The snapshot of an account as a compact JWS. */
  signed(account: string): Promise<string>;
};

type Page = Awaited<ReturnType<FeedService['read']>>;

/** What followers read: the log of their account, page by page or pushed, and the state that it leads to. */
export function feedRoutes({ service, signed }: Deps) {
  const present = ({ epoch: of, position, entries, more }: Page, limit: number): z.output<typeof feedPage> => {
    const cursor = encodeCursor({ epoch: of, position });
    return {
      epoch: of,
      position,
      cursor,
      entries: entries.map(followerView),
      ...(more ? { next: `/v1/revocations?after=${cursor}&limit=${limit}` } : {}),
    };
  };

  return async (app: App) => {
    app.get(
      '/v1/revocations',
      {
        config: { access: 'revocations:read', cost: 'free', load: 'read' },
        schema: {
          operationId: 'listRevocations',
          summary: 'What changed after a cursor',
          tags,
          querystring: feedQuery,
          response: { 200: feedPage },
        },
      },
      async (request) => {
        const { after, limit } = request.query;
        return present(await service.read(grantee(request).account, after, limit), limit);
      },
    );

    app.get(
      '/v1/revocations/snapshot',
      {
        config: { access: 'revocations:read', cost: 'free', load: 'page' },
        schema: {
          operationId: 'getRevocationSnapshot',
          summary: 'Everything that is revoked, held or suspended now; signed with Accept: application/jose',
          tags,
          response: { 200: snapshot },
        },
      },
      async (request, reply) => {
        const { account } = grantee(request);
        reply.header('vary', 'accept');
        if (request.headers.accept?.includes(jose)) return sendSigned(reply, await signed(account));
        return sendSnapshot(reply, await service.snapshot(account));
      },
    );

    app.get(
      '/v1/revocations/stream',
      {
        config: { access: 'revocations:read', cost: 'free', sends: events },
        schema: {
          operationId: 'streamRevocations',
          summary: 'The same, pushed as server-sent events; Last-Event-ID or after says from where',
          tags,
          querystring: streamQuery,
        },
      },
      (request, reply) => sendStream(request, reply, service),
    );
  };
}
