import { Readable } from 'node:stream';
import type { z } from 'zod';
import { rfc3339 } from '../clock.js';
import { grantee } from '../http/request.js';
import type { App } from '../http/route.js';
import { numberForm, pageOf, placeIn, timeForm, totalOf } from '../api/paging.js';
import * as schema from './schema.js';
import type { AuditFilter } from './filter.js';

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

/** What is read of the audit of an account. */
type Entries = {
  list(
    account: string,
    filter: AuditFilter,
    before: { at: Date; id: bigint } | undefined,
    most: number,
  ): Promise<Row[]>;
  following(account: string, filter: AuditFilter, after: bigint, to: bigint, most: number): Promise<Row[]>;
  count(account: string, filter: AuditFilter, most: number): Promise<number>;
  settledId(): Promise<bigint | undefined>;
};

const tags = ['audit'];
const media = { type: 'application/x-ndjson', about: 'Entries, oldest first: one JSON object on each line' };

/** The routes of `/v1/audit`. */
export function auditRoutes(entries: Entries) {
  return async (app: App) => {
    app.get(
      '/v1/audit',
      {
        config: { access: 'audit:read' },
        schema: {
          operationId: 'listAuditEntries',
          summary: 'Who changed what, newest first; with after, oldest first',
          tags,
          querystring: schema.query,
          response: { 200: schema.entryPage },
        },
      },
      async (request) => {
        const { query } = request;
        const { account } = grantee(request);
        const filter = filterOf(query);
        const total = await totalOf(query, (most) => entries.count(account, filter, most));
        if (query.after !== undefined) {
          const after = BigInt(query.after);
          const to = (await entries.settledId()) ?? after;
          const rows = await entries.following(account, filter, after, to, query.limit);
          return { items: rows.map(present), ...total };
        }
        const place = placeIn(`audit ${account}`, query);
        const [at, id] = place.after(timeForm, numberForm) ?? [];
        const before = at && id ? { at: new Date(at), id: BigInt(id) } : undefined;
        const rows = await entries.list(account, filter, before, place.limit + 1);
        return { ...pageOf(rows, place, (row) => [row.at.toISOString(), String(row.id)], present), ...total };
      },
    );

    app.get(
      '/v1/audit/export',
      {
        config: { access: 'audit:read', cost: 'heavy', load: 'page', sends: media },
        schema: {
          operationId: 'exportAuditEntries',
          summary: 'The audit as lines of JSON, oldest first, at most 100,000 of them',
          description:
            'To continue, send the id of the last line as `after`. An export that breaks off ends the connection.',
          tags,
          querystring: schema.exportQuery,
        },
      },
      async (request, reply) => {
        const { query } = request;
        const lines = linesOf(entries, grantee(request).account, filterOf(query), BigInt(query.after ?? 0));
        return reply
          .type(media.type)
          .header('cache-control', 'no-store')
          .send(Readable.from(lines, { objectMode: false }));
      },
    );
  };
}

const [mostLines, linesAtOnce] = [100_000, 1000];

async function* linesOf(entries: Entries, account: string, filter: AuditFilter, after: bigint): AsyncGenerator<string> {
  const to = (await entries.settledId()) ?? after;
  let last = after;
  for (let sent = 0; sent < mostLines;) {
    const rows = await entries.following(account, filter, last, to, linesAtOnce);
    if (rows.length === 0) return;
    yield rows.map((row) => `${JSON.stringify(present(row))}\n`).join('');
    last = rows.at(-1)!.id;
    sent += rows.length;
  }
}

function filterOf({ actor, action, target, from, to }: z.output<typeof schema.exportQuery>): AuditFilter {
  const timeOf = (text: string | undefined) => (text === undefined ? undefined : new Date(text));
  return { actor, action, target, from: timeOf(from), to: timeOf(to) };
}

function present({ id, at, actor, action, target, requestId, sourceIp, detail }: Row): z.output<typeof schema.entry> {
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
