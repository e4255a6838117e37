import type { z } from 'zod';
import { pageOf, placeIn, timeForm, uuidForm } from '../api/paging.js';
import { rfc3339 } from '../clock.js';
import { grantee, originOf } from '../http/request.js';
import type { App } from '../http/route.js';
import type { Condition } from './judge.js';
import * as schema from './schema.js';
import type { AlertService } from './service.js';

const tags = ['monitoring'];

/** The routes of `/v1/alerts` itself. */
export function alertRoutes(service: AlertService) {
  return async (app: App) => {
    app.get(
      '/v1/alerts',
      {
        config: { access: 'alerts:read' },
        schema: {
          operationId: 'listAlerts',
          summary: 'List alerts, newest first',
          tags,
          querystring: schema.alertQuery,
          response: { 200: schema.alertPage },
        },
      },
      async (request) => {
        const { query } = request;
        const { account } = grantee(request);
        const place = placeIn(`alerts ${account}`, query);
        const [startedAt, id] = place.after(timeForm, uuidForm) ?? [];
        const before = startedAt && id ? { startedAt: new Date(startedAt), id } : undefined;
        const rows = await service.listAlerts(account, query, before, place.limit + 1);
        return pageOf(rows, place, (row) => [row.startedAt.toISOString(), row.id], present);
      },
    );

    app.get(
      '/v1/alerts/:id',
      {
        config: { access: 'alerts:read' },
        schema: {
          operationId: 'getAlert',
          summary: 'Read an alert',
          tags,
          params: schema.alertParams,
          response: { 200: schema.alert },
        },
      },
      async (request) => present(await service.getAlert(grantee(request).account, request.params.id)),
    );

    app.post(
      '/v1/alerts/:id/acknowledge',
      {
        config: { access: 'alerts:write' },
        schema: {
          operationId: 'acknowledgeAlert',
          summary: 'Say that somebody sees to it: the channels are told again only when it is resolved',
          tags,
          params: schema.alertParams,
          response: { 200: schema.alert },
        },
      },
      async (request) => present(await service.acknowledge(grantee(request), request.params.id, originOf(request))),
    );
  };
}

type Row = Awaited<ReturnType<AlertService['getAlert']>>;

function present(row: Row): z.output<typeof schema.alert> {
  const { id, ruleId, ruleName, metric, threshold, value, startedAt, notifiedAt } = row;
  const { acknowledgedAt, acknowledgedBy, resolvedAt } = row;
  return {
    id,
    rule: ruleId,
    ruleName,
    metric,
    condition: row.condition as Condition,
    threshold,
    severity: row.severity as 'info',
    status: row.status as 'firing',
    value,
    startedAt: rfc3339(startedAt),
    notifiedAt: rfc3339(notifiedAt),
    ...(acknowledgedAt ? { acknowledgedAt: rfc3339(acknowledgedAt) } : {}),
    ...(acknowledgedBy === null ? {} : { acknowledgedBy }),
    ...(resolvedAt ? { resolvedAt: rfc3339(resolvedAt) } : {}),
  };
}
