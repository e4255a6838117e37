import type { z } from 'zod';
import { rfc3339 } from '../../clock.js';
import { grantee, originOf } from '../../http/request.js';
import type { App } from '../../http/route.js';
import type { Permission } from '../../access/permissions.js';
import type { Origin } from '../../origin.js';
import type { createImporter } from './import.js';
import * as schema from '../schema.js';

type ImportRun = Awaited<ReturnType<ReturnType<typeof createImporter>['get']>>;

type Deps = {
  requireMirror(account: string): Promise<unknown>;
  start(account: string, dryRun: boolean, origin: Origin): Promise<ImportRun>;
  get(account: string, id: string): Promise<ImportRun>;
};

const tags = ['aws'];
// It makes things with attributes and an enrollment, saves policies and attaches them, holds certificates, and tells names.
const importing: Permission[] = [
  'things:read',
  'things:write',
  'enrollments:write',
  'policies:write',
  'policies:attach',
  'certificates:revoke',
];

/** Taking over a fleet that AWS has already. */
export function importRoutes({ requireMirror, start, get }: Deps) {
  return async (app: App) => {
    app.post(
      '/v1/aws/import',
      {
        config: { access: 'aws:write', needs: importing, cost: 'heavy' },
        schema: {
          operationId: 'startAwsImport',
          summary: 'Import the things that AWS has, with their certificates; dryRun only reports',
          tags,
          body: schema.importRequest,
          response: { 202: schema.importRun },
        },
      },
      async (request, reply) => {
        const { account } = grantee(request);
        await requireMirror(account);
        const run = await start(account, request.body?.dryRun ?? false, originOf(request));
        return reply.code(202).header('location', `/v1/aws/import/${run.id}`).send(present(run));
      },
    );

    app.get(
      '/v1/aws/import/:id',
      {
        config: { access: 'aws:write', needs: ['things:read'] },
        schema: {
          operationId: 'getAwsImport',
          summary: 'The progress of an import, and what it takes',
          tags,
          params: schema.reconcileParams,
          response: { 200: schema.importRun },
        },
      },
      async (request) => present(await get(grantee(request).account, request.params.id)),
    );
  };
}

function present({
  reason,
  enrollmentId,
  startedAt,
  finishedAt,
  ...run
}: ImportRun): z.output<typeof schema.importRun> {
  return {
    ...run,
    ...(enrollmentId === null ? {} : { enrollment: enrollmentId }),
    ...(reason === null ? {} : { reason }),
    startedAt: rfc3339(startedAt),
    ...(finishedAt ? { finishedAt: rfc3339(finishedAt) } : {}),
  };
}
