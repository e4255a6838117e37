import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ServerResponse } from 'node:http';
import type { Grantee } from '../../access/grantee.js';
import { logCursor } from '../../shapes.js';
import { grantee } from '../request.js';

/** How a stream is documented. */
export const events = { type: 'text/event-stream', about: 'Server-sent events, each an entry of the log' };

/** A connection that events are written to. */
type Connection = {
  write(bytes: Buffer): boolean;
  waiting(): number;
  end(): void;
  /** Resolves when what was written is on its way, or the connection is closed; undefined when nothing waits. */
  drained(): Promise<void> | undefined;
};

/** What can be followed. */
type Followed = {
  /** @throws DomainError for a cursor that leads nowhere */
  read(account: string, cursor: string | undefined, limit: number): Promise<unknown>;
  follow(
    follower: Grantee,
    to: Connection,
  ): {
    isIn(): boolean;
    leave(): void;
    /** Reads the beginning, and returns what writes everything. */
    begin(cursor: string | undefined): Promise<() => Promise<void>>;
  };
};

type Request = FastifyRequest<{ Querystring: { after?: string | undefined } }>;

/** Answers with server-sent events (HTML, 9.2) from `Last-Event-ID` or `after` on, until the caller leaves or is cut. `more` are headers. */
export async function sendStream(
  request: Request,
  reply: FastifyReply,
  { read, follow }: Followed,
  more: Readonly<Record<string, string>> = {},
) {
  const caller = grantee(request);
  const last = request.headers['last-event-id'];
  const given = typeof last === 'string' ? logCursor.safeParse(last).data : request.query.after;
  if (request.method === 'HEAD') {
    await read(caller.account, given, 1);
    return reply.type('text/event-stream').header('cache-control', 'no-store').headers(more).send();
  }
  const { raw } = reply;
  const following = follow(caller, connectionOf(raw));
  raw.on('close', following.leave);
  const writeAll = await following.begin(given);
  if (!following.isIn()) return reply;
  reply.hijack();
  raw.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
    'x-request-id': request.id,
    ...more,
  });
  raw.write('retry: 1000\n\n');
  try {
    await writeAll();
  } catch (error) {
    request.log.error({ err: error, reqId: request.id }, 'a stream ended');
    raw.destroy();
  }
  return reply;
}

function connectionOf(raw: ServerResponse): Connection {
  return {
    write: (bytes) => !raw.writableEnded && raw.write(bytes),
    waiting: () => raw.writableLength,
    end() {
      if (!raw.headersSent) return void raw.destroy();
      // What was written in this turn is still corked: a follower hears why it is cut. One that does not read is not waited for.
      raw.end();
      setImmediate(() => raw.destroy());
    },
    drained: () => (raw.writableNeedDrain ? drained(raw) : undefined),
  };
}

/** Resolves when what was written is on its way, or the connection is closed. */
function drained(raw: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    raw.once('drain', resolve);
    raw.once('close', resolve);
  });
}
