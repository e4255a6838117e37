import { z } from 'zod';
import { pageOf, placeIn, spanOf, uuidForm } from '../api/paging.js';
import { rfc3339 } from '../clock.js';
import { grantee } from '../http/request.js';
import type { App } from '../http/route.js';
import * as schema from './schema.js';
import type { Site, SiteService } from './service.js';
import { utilizationOf } from './signal.js';

const tags = ['edges'];

/** The routes of `/v1/sites`, and where edges say what their machines have. */
export function siteRoutes(service: SiteService) {
  return async (app: App) => {
    app.post(
      '/v1/proxies/:id/site',
      {
        config: { access: 'proxies:write', cost: 'free' },
        schema: {
          operationId: 'reportSite',
          summary: 'Report what the machine of an edge has, and what of it is in use, every ten seconds',
          tags,
          params: schema.siteParams,
          body: schema.report,
          response: { 204: z.null() },
        },
      },
      async (request, reply) => {
        await service.report(grantee(request), request.params.id, request.body);
        return reply.code(204).send(null);
      },
    );

    app.get(
      '/v1/sites',
      {
        config: { access: 'things:read' },
        schema: {
          operationId: 'listSites',
          summary: 'The machines that edges run on: what they have, and what of it is in use',
          tags,
          querystring: schema.siteQuery,
          response: { 200: schema.sitePage },
        },
      },
      async (request) => {
        const { account } = grantee(request);
        const place = placeIn(`sites ${account}`, request.query);
        const { after, limit } = spanOf(place, uuidForm);
        const { signal } = request.query;
        return pageOf(await service.list(account, { signal }, after, limit), place, ({ id }) => id, present);
      },
    );

    app.get(
      '/v1/sites/:id',
      {
        config: { access: 'things:read' },
        schema: {
          operationId: 'getSite',
          summary: 'The machine of an edge; `utilization.mean` is for autoscalers',
          tags,
          params: schema.siteParams,
          response: { 200: schema.site },
        },
      },
      async (request) => present(await service.get(grantee(request).account, request.params.id)),
    );
  };
}

function present({ samples, reportedAt, signalSince, ...site }: Site): z.output<typeof schema.site> {
  const utilization = utilizationOf(samples);
  const shown = { ...site, reportedAt: rfc3339(reportedAt), signalSince: rfc3339(signalSince) };
  return utilization ? { ...shown, utilization } : shown;
}
