import type { ServerResponse } from 'node:http';
import { z } from 'zod';
import type { Grantee } from '../access/grantee.js';
import { grantee } from '../http/request.js';
import type { App } from '../http/route.js';
import { encodeCursor, parseCursor, requireFollowable } from '../log/cursor.js';
import { followerView } from '../log/entries.js';
import { logCursor, serialNumber, thingName, timestamp } from '../shapes.js';
import type { FeedPage, FeedStore } from './store.js';
import { jose, sendSigned, sendSnapshot } from './snapshot-routes.js';
import type { Stream } from './stream.js';

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
  store: FeedStore;
  stream: Stream;
  clock(): Date;
  epoch(): string;
  /** @throws DomainError when a key is deleted or has expired, or its account is suspended */
  requireKey(account: string, id: string): Promise<void>;
  /** The snapshot of an account as a compact JWS. */
  signed(account: string): Promise<string>;
};

/** What followers read: the log of their account, page by page or pushed, and the state that it leads to. */
export function feedRoutes({ store, stream, clock, epoch, requireKey, signed }: Deps) {
  /**
   * A page; without a cursor, from the oldest entry that there is. Whether the cursor still leads anywhere is judged by
   * the epoch and the beginning of the very log that the page was read from. @throws DomainError `epoch-changed`, `cursor-pruned`
   */
  const read = async (account: string, cursor: string | undefined, limit: number): Promise<FeedPage> => {
    const from = cursor === undefined ? undefined : parseCursor(cursor);
    const page = await store.page(account, from?.position ?? 0, limit);
    if (from) requireFollowable(from, page);
    return page;
  };

  /** The first page of a stream, for a key that is valid after the stream was joined. @throws DomainError */
  const begin = async ({ account, id }: Grantee, cursor: string | undefined): Promise<FeedPage> => {
    await requireKey(account, id);
    return read(account, cursor, 1000);
  };

  const present = ({ epoch: of, position, entries, more }: FeedPage, limit: number): z.output<typeof feedPage> => {
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
        return present(await read(grantee(request).account, after, limit), limit);
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
        return sendSnapshot(reply, await store.snapshot(account, clock()));
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
      async (request, reply) => {
        const caller = grantee(request);
        const last = request.headers['last-event-id'];
        const given = typeof last === 'string' ? logCursor.safeParse(last).data : request.query.after;
        if (request.method === 'HEAD') {
          await read(caller.account, given, 1);
          return reply.type('text/event-stream').header('cache-control', 'no-store').send();
        }
        const { raw } = reply;
        // INVARIANT: from here on the log's word ends the stream. What it said before is asked of the registry.
        const listener = stream.join(caller, {
          write: (bytes) => raw.write(bytes),
          waiting: () => raw.writableLength,
          end: () => raw.destroy(),
        });
        raw.on('close', listener.leave);
        const first = await begin(caller, given).catch((error: unknown) => {
          listener.leave();
          throw error;
        });
        if (!listener.isIn()) return reply;
        reply.hijack();
        raw.writeHead(200, {
          'content-type': 'text/event-stream',
          'cache-control': 'no-store',
          'x-accel-buffering': 'no',
          'x-request-id': request.id,
        });
        raw.write('retry: 1000\n\n');
        try {
          // Read on at least once: what came since the first page is in no push.
          for (let page = first, again = false; ; again = true) {
            // The cursors in the stream are of the log that is followed here.
            if (page.epoch !== epoch()) return raw.destroy();
            for (const each of page.entries) raw.write(stream.entryBytes(each));
            if (raw.writableNeedDrain) await drained(raw);
            if (!listener.isIn()) return;
            if (again && !page.more) return listener.live(page.position);
            // A cursor, not a position: when the log is cut or becomes another one in between, the stream ends.
            page = await read(caller.account, encodeCursor({ epoch: first.epoch, position: page.position }), 1000);
          }
        } catch (error) {
          request.log.error({ err: error, reqId: request.id }, 'a stream ended');
          raw.destroy();
        }
      },
    );
  };
}

/** Resolves when what was written is on its way, or the connection is closed. */
function drained(raw: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    raw.once('drain', resolve);
    raw.once('close', resolve);
  });
}
