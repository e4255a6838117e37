import { grantee } from '../http/request.js';
import type { App } from '../http/route.js';
import * as schema from './schema.js';
import type { FigureService } from './service.js';

/** `GET /v1/metrics`: a figure of the account over time. */
export function figureRoutes(service: Pick<FigureService, 'show'>) {
  return async (app: App) => {
    app.get(
      '/v1/metrics',
      {
        config: { access: 'metrics:read', load: 'page' },
        schema: {
          operationId: 'getMetric',
          summary: 'A figure of the account over the last 24 hours, by the minute',
          tags: ['monitoring'],
          querystring: schema.query,
          response: { 200: schema.metric },
        },
      },
      (request) => service.show(grantee(request).account, request.query),
    );
  };
}
