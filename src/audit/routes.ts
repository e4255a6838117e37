import { z } from 'zod';
import { named } from '../named.js';
import { rfc3339 } from '../clock.js';
import { grantee } from '../http/request.js';
import type { App } from '../http/route.js';
import { page, pageOf, pageQuery, readCursor, timestamp } from '../shapes.js';

const entry = named(
  'AuditEntry',
  'Something that somebody changed',
  z.object({
    id: z.string().describe('Rises with every entry'),
    at: timestamp.describe('When it happened'),
    actor: z.string().describe('Who did it, such as `key:` and the id of an API key'),
    action: z.string().describe('What was done, such as `thing.suspend`'),
    target: z.string().describe('To what, such as `thing:pump-17`'),
    requestId: z.string().optional().describe('The request that did it'),
    sourceIp: z.string().optional().describe('The address that the request came from'),
    detail: z.record(z.string(), z.unknown()).describe('More about it, depending on the action'),
  }),
);
const query = pageQuery.extend({
  action: z.string().max(100).optional().describe('Entries of this action'),
  target: z.string().max(300).optional().describe('Entries about this object'),
});

type Row = {
  id: bigint;
  at: Date;
  actor: string;
  action: string;
  target: string;
  requestId: string | null;
  sourceIp: string | null;
  detail: unknown;
};

type Filter = { action?: string | undefined; target?: string | undefined };

/** The entries of an account that match a filter, newest first, from those before `before`. */
type List = (account: string, filter: Filter, before: bigint | undefined, limit: number) => Promise<Row[]>;

/** The route of `/v1/audit`. */
export function auditRoutes(list: List) {
  return async (app: App) => {
    app.get(
      '/v1/audit',
      {
        config: { access: 'audit:read' },
        schema: {
          operationId: 'listAuditEntries',
          summary: 'Who changed what, newest first',
          tags: ['audit'],
          querystring: query,
          response: { 200: page(entry) },
        },
      },
      async (request) => {
        const { limit, cursor, ...filter } = request.query;
        const before = readCursor(cursor, /^\d{1,18}$/);
        const rows = await list(
          grantee(request).account,
          filter,
          before === undefined ? undefined : BigInt(before),
          limit + 1,
        );
        return pageOf(rows, limit, ({ id }) => String(id), present);
      },
    );
  };
}

function present({ id, at, actor, action, target, requestId, sourceIp, detail }: Row): z.output<typeof entry> {
  return {
    id: String(id),
    at: rfc3339(at),
    actor,
    action,
    target,
    ...(requestId === null ? {} : { requestId }),
    ...(sourceIp === null ? {} : { sourceIp }),
    detail: detail as Record<string, unknown>,
  };
}
