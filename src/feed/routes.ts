import { z } from 'zod';
import { sendStream } from '../http/event-stream.js';
import { grantee } from '../http/request.js';
import type { App } from '../http/route.js';
import { encodeCursor } from '../log/cursor.js';
import { followerView } from '../log/entries.js';
import { logCursor, serialNumber, thingName, timestamp } from '../shapes.js';
import type { FeedService } from './service.js';
import { jose, sendSigned, sendSnapshot } from './snapshot-routes.js';

const tags = ['revocations'];
const feedQuery = z.strictObject({
  after: logCursor.optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
});
const entry = z.looseObject({ position: z.int(), at: timestamp, type: z.string() });
const feedPage = z.object({
  epoch: z.string(),
  position: z.int(),
  cursor: z.string(),
  entries: z.array(entry),
  next: z.string().optional(),
});
const snapshot = z.object({
  epoch: z.string(),
  position: z.int(),
  cursor: z.string(),
  certificates: z.array(
    z.object({
      serialNumber,
      fingerprint: z.string().optional().describe('Absent where a restored backup lacks the certificate'),
      thingName: thingName.optional().describe('Absent where a restored backup lacks the certificate'),
      reason: z.string(),
      revokedAt: timestamp,
    }),
  ),
  things: z.array(z.object({ thingName, status: z.string(), minGen: z.int() })),
});

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
        schema: { summary: 'What changed after a cursor', tags, querystring: feedQuery, response: { 200: feedPage } },
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
        config: { access: 'revocations:read', cost: 'free' },
        schema: {
          summary: 'The same, pushed as server-sent events; Last-Event-ID or after says from where',
          tags,
          querystring: z.strictObject({ after: logCursor.optional() }),
        },
      },
      (request, reply) => sendStream(request, reply, service),
    );
  };
}
