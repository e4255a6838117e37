import { z } from 'zod';
import { grantee, originOf } from '../http/request.js';
import type { App } from '../http/route.js';
import { presentSession } from '../representations.js';
import { pageOf, placeIn, uuidForm } from '../api/paging.js';
import * as schema from './schema.js';
import type { SessionService } from './service.js';

const tags = ['edges'];
const sessionForm = /^[A-Za-z0-9:._-]{1,128}$/;

/** Live sessions of devices at edges. */
export function sessionRoutes(service: Pick<SessionService, 'report' | 'list' | 'end'>) {
  return async (app: App) => {
    app.post(
      '/v1/proxies/:id/sessions',
      {
        config: { access: 'proxies:write', cost: 'free', load: 'batch' },
        bodyLimit: schema.reportBytes,
        schema: {
          operationId: 'reportSessions',
          summary: 'Report what changed of the sessions at an edge, and what it saw and decided, once a second',
          tags,
          params: schema.reportParams,
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
      '/v1/sessions',
      {
        config: { access: 'things:read' },
        schema: {
          operationId: 'listSessions',
          summary: 'The live sessions of devices at edges, as the edges report them',
          tags,
          querystring: schema.sessionQuery,
          response: { 200: schema.sessionPage },
        },
      },
      async (request) => {
        const { thing, proxy } = request.query;
        const { account } = grantee(request);
        const place = placeIn(`sessions ${account}`, request.query);
        const [proxyId, id] = place.after(uuidForm, sessionForm) ?? [];
        const after = proxyId && id ? { proxyId, id } : undefined;
        const rows = await service.list(account, { thing, proxy }, after, place.limit + 1);
        return pageOf(rows, place, (session) => [session.proxyId, session.id], presentSession);
      },
    );

    app.delete(
      '/v1/sessions/:id',
      {
        config: { access: 'certificates:revoke' },
        schema: {
          operationId: 'endSession',
          summary: 'End a session; the device may reconnect',
          tags,
          params: schema.sessionParams,
          response: { 202: schema.ended },
        },
      },
      async (request, reply) => {
        const { account } = grantee(request);
        return reply.code(202).send(await service.end(account, request.params.id, originOf(request)));
      },
    );
  };
}
