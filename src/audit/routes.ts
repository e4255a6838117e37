import { z } from 'zod';
import { rfc3339 } from '../clock.js';
import { grantee } from '../http/request.js';
import type { App } from '../http/route.js';
import { page, pageOf, pageQuery, readCursor, timestamp } from '../shapes.js';

const entry = z.object({
  id: z.string(),
  at: timestamp,
  actor: z.string(),
  action: z.string(),
  target: z.string(),
  requestId: z.string().optional(),
  sourceIp: z.string().optional(),
  detail: z.record(z.string(), z.unknown()),
});
const query = pageQuery.extend({ action: z.string().max(100).optional(), target: z.string().max(300).optional() });

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
