import { z } from 'zod';
import { grantee } from '../http/request.js';
import type { App } from '../http/route.js';
import type { Delivery } from './delivery.js';
import * as schema from './edge-schema.js';

const tags = ['edges'];

/** The routes by which edges take commands, and say what became of them. */
export function commandEdgeRoutes(delivery: Delivery) {
  return async (app: App) => {
    app.post(
      '/v1/edge/commands/claim',
      {
        config: { access: 'edge:follow', cost: 'free', load: 'batch' },
        schema: {
          operationId: 'claimCommands',
          summary: 'Take commands for the sessions of this edge: no other edge gets them',
          description:
            'An entry `command` of `/v1/edge/stream` says that one waits for a thing. What was claimed and is not sent has to be reported as `released`.',
          tags,
          body: schema.claim,
          response: { 200: schema.claimed },
        },
        bodyLimit: schema.edgeBytes,
      },
      async (request, reply) => {
        const { commands, held, more } = await delivery.claim(grantee(request), request.body);
        reply.header('cache-control', 'no-store');
        const shown = commands.map(({ ordinal: _, payload, expiresAt, ...rest }) => ({
          ...rest,
          payload: JSON.parse(payload) as unknown,
          expiresAt: expiresAt.toISOString(),
        }));
        return { commands: shown, held, more };
      },
    );

    app.post(
      '/v1/edge/commands/report',
      {
        config: { access: 'edge:follow', cost: 'free', load: 'batch' },
        bodyLimit: schema.edgeBytes,
        schema: {
          operationId: 'reportCommands',
          summary: 'Say what became of commands at an edge',
          tags,
          body: schema.report,
          response: { 204: z.null() },
        },
      },
      async (request, reply) => {
        await delivery.report(grantee(request), request.body);
        return reply.code(204).send(null);
      },
    );
  };
}
