import { rfc3339 } from '../../clock.js';
import { grantee, originOf } from '../../http/request.js';
import type { App } from '../../http/route.js';
import { pageOf, placeIn, spanOf, uuidForm } from '../../api/paging.js';
import * as schema from './schema.js';
import type { WaitingService } from './service.js';

const tags = ['enrollments'];

/** The routes of `/v1/waiting`. */
export function waitingRoutes(service: Pick<WaitingService, 'list' | 'get' | 'approve' | 'deny'>) {
  return async (app: App) => {
    app.get(
      '/v1/waiting',
      {
        config: { access: 'enrollments:read' },
        schema: {
          operationId: 'listWaitingDevices',
          summary: 'List devices that wait for approval, and those that were approved or denied',
          tags,
          querystring: schema.waitingQuery,
          response: { 200: schema.waitingPage },
        },
      },
      async (request) => {
        const { account } = grantee(request);
        const place = placeIn(`waiting ${account}`, request.query);
        const { after, limit } = spanOf(place, uuidForm);
        const { enrollment, status } = request.query;
        const rows = await service.list(account, { enrollment, status }, after, limit);
        return pageOf(rows, place, ({ id }) => id, present);
      },
    );

    app.get(
      '/v1/waiting/:id',
      {
        config: { access: 'enrollments:read' },
        schema: {
          operationId: 'getWaitingDevice',
          summary: 'Read what a waiting device asks for',
          tags,
          params: schema.waitingParams,
          response: { 200: schema.waiting },
        },
      },
      async (request) => present(await service.get(grantee(request).account, request.params.id)),
    );

    app.post(
      '/v1/waiting/:id/approve',
      {
        config: { access: 'enrollments:write' },
        schema: {
          operationId: 'approveWaitingDevice',
          summary: 'Approve a device: takes a use of the enrollment, and makes its thing and certificate',
          description:
            'Needs what the first boot does: policies:attach with policies, segments:write with a segment, things:write with attributes.',
          tags,
          params: schema.waitingParams,
          body: schema.approval,
          response: { 200: schema.waiting },
        },
      },
      async (request) =>
        present(await service.approve(grantee(request), request.params.id, request.body ?? {}, originOf(request))),
    );

    app.post(
      '/v1/waiting/:id/deny',
      {
        config: { access: 'enrollments:write' },
        schema: {
          operationId: 'denyWaitingDevice',
          summary: 'Deny a device: its key is refused with the reason from then on',
          tags,
          params: schema.waitingParams,
          body: schema.denial,
          response: { 200: schema.waiting },
        },
      },
      async (request) => {
        const { account } = grantee(request);
        return present(await service.deny(account, request.params.id, request.body.reason, originOf(request)));
      },
    );
  };
}

type WaitingDevice = Awaited<ReturnType<WaitingService['get']>>;

function present(entry: WaitingDevice) {
  const { id, status, enrollmentId, name, thingType, attributes, spkiSha256, sourceIp, timesSeen } = entry;
  return {
    id,
    status,
    enrollment: enrollmentId,
    name,
    ...(thingType === null ? {} : { thingType }),
    attributes,
    keyFingerprint: spkiSha256,
    ...(sourceIp === null ? {} : { sourceIp }),
    timesSeen,
    firstSeenAt: rfc3339(entry.firstSeenAt),
    lastSeenAt: rfc3339(entry.lastSeenAt),
    ...(status === 'waiting' ? { expiresAt: rfc3339(entry.expiresAt) } : {}),
    ...decision(entry),
  };
}

function decision({ decidedAt, decidedBy, reason, grantedThing, serialNumber, collectedAt }: WaitingDevice) {
  return {
    ...(decidedAt === null ? {} : { decidedAt: rfc3339(decidedAt) }),
    ...(decidedBy === null ? {} : { decidedBy }),
    ...(reason === null ? {} : { reason }),
    ...(grantedThing === null ? {} : { grantedName: grantedThing }),
    ...(serialNumber === null ? {} : { serialNumber }),
    ...(collectedAt === null ? {} : { collectedAt: rfc3339(collectedAt) }),
  };
}
