import { z } from 'zod';
import { rfc3339 } from '../../clock.js';
import { requirePermissions } from '../../access/grantee.js';
import { grantee, originOf } from '../../http/request.js';
import type { App } from '../../http/route.js';
import { uuid } from '../../shapes.js';
import * as schema from './schema.js';
import type { BulkService } from './service.js';

type Bulk = Awaited<ReturnType<BulkService['get']>>;

type Deps = { service: BulkService; cursorAt(position: number): string };

const tags = ['revocations'];
const revokes = (body: unknown): boolean => (body as { dryRun?: boolean }).dryRun !== true;
// Ten thousand names of the greatest length.
const bodyOctets = 2 * 1024 * 1024;

/** Revoking many certificates at once, with a look at them first. */
export function bulkRoutes({ service, cursorAt }: Deps) {
  const present = ({ id, status, reason, expected, revoked, ...rest }: Bulk): z.output<typeof schema.bulk> => ({
    id,
    status: status === 'done' ? 'done' : 'running',
    reason,
    expectedCount: expected,
    revoked,
    ...(rest.position === null ? {} : { position: Number(rest.position), cursor: cursorAt(Number(rest.position)) }),
    createdAt: rfc3339(rest.createdAt),
    ...(rest.finishedAt ? { finishedAt: rfc3339(rest.finishedAt) } : {}),
  });

  return async (app: App) => {
    app.post(
      '/v1/revocations/bulk',
      {
        config: { access: 'certificates:revoke', cost: 'heavy', stepUp: revokes },
        bodyLimit: bodyOctets,
        schema: {
          operationId: 'createBulkRevocation',
          summary: 'Revoke every certificate that a filter selects; dryRun returns how many',
          tags,
          body: schema.bulkRequest,
          response: { 200: schema.bulkAnswer, 202: schema.bulk },
        },
      },
      async (request, reply) => {
        const { account } = grantee(request);
        if (request.body.dryRun) {
          requirePermissions(grantee(request), ['things:read'], 'dryRun, which shows names of things,');
          return service.preview(account, request.body);
        }
        const bulk = await service.start(account, request.body, originOf(request));
        const code = bulk.status === 'done' ? 200 : 202;
        return reply.code(code).header('location', `/v1/revocations/bulk/${bulk.id}`).send(present(bulk));
      },
    );

    app.get(
      '/v1/revocations/bulk/:id',
      {
        config: { access: 'certificates:read' },
        schema: {
          operationId: 'getBulkRevocation',
          summary: 'The progress of a bulk revocation',
          tags,
          params: z.strictObject({ id: uuid.describe('The id of the bulk revocation') }),
          response: { 200: schema.bulk },
        },
      },
      async (request) => present(await service.get(grantee(request).account, request.params.id)),
    );
  };
}
