import type { z } from 'zod';
import { rfc3339 } from '../../clock.js';
import { grantee, originOf } from '../../http/request.js';
import type { App } from '../../http/route.js';
import type { Origin } from '../../origin.js';
import type { createReconciler } from './reconcile.js';
import * as schema from '../schema.js';

type Reconciliation = Awaited<ReturnType<ReturnType<typeof createReconciler>['get']>>;

type Deps = {
  requireMirror(account: string): Promise<unknown>;
  start(account: string, dryRun: boolean, origin: Origin): Promise<Reconciliation>;
  get(account: string, id: string): Promise<Reconciliation>;
  latest(account: string): Promise<Reconciliation[]>;
};

const tags = ['aws'];

/** Comparing AWS with the registry. */
export function reconcileRoutes({ requireMirror, start, get, latest }: Deps) {
  return async (app: App) => {
    app.post(
      '/v1/aws/reconcile',
      {
        config: { access: 'aws:write', needs: ['things:read'], cost: 'heavy' },
        schema: {
          operationId: 'startAwsReconciliation',
          summary: 'Compare AWS with the registry and repair what differs; dryRun only reports',
          tags,
          body: schema.reconcileRequest,
          response: { 202: schema.reconciliation },
        },
      },
      async (request, reply) => {
        const { account } = grantee(request);
        await requireMirror(account);
        const run = await start(account, request.body?.dryRun ?? false, originOf(request));
        return reply.code(202).header('location', `/v1/aws/reconcile/${run.id}`).send(present(run));
      },
    );

    app.get(
      '/v1/aws/reconcile',
      {
        config: { access: 'aws:write', needs: ['things:read'] },
        schema: {
          operationId: 'listAwsReconciliations',
          summary: 'The last twenty comparisons, newest first',
          tags,
          response: { 200: schema.reconciliations },
        },
      },
      async (request) => ({ items: (await latest(grantee(request).account)).map(present) }),
    );

    app.get(
      '/v1/aws/reconcile/:id',
      {
        config: { access: 'aws:write', needs: ['things:read'] },
        schema: {
          operationId: 'getAwsReconciliation',
          summary: 'The progress of a comparison, and what it found',
          tags,
          params: schema.reconcileParams,
          response: { 200: schema.reconciliation },
        },
      },
      async (request) => present(await get(grantee(request).account, request.params.id)),
    );
  };
}

function present({ reason, startedAt, finishedAt, ...run }: Reconciliation): z.output<typeof schema.reconciliation> {
  return {
    ...run,
    ...(reason === null ? {} : { reason }),
    startedAt: rfc3339(startedAt),
    ...(finishedAt ? { finishedAt: rfc3339(finishedAt) } : {}),
  };
}
