import { rfc3339 } from '../clock.js';
import { requirePermissions, type Grantee } from '../access/grantee.js';
import { grantee, originOf } from '../http/request.js';
import type { App } from '../http/route.js';
import { pageOf, pageQuery, placeIn, spanOf, uuidForm } from '../api/paging.js';
import * as schema from './schema.js';
import { presentAuthority } from './presenting.js';
import type { EnrollmentService, ShownEnrollment } from './service.js';

const tags = ['enrollments'];

const revokesThings = (body: unknown): boolean => (body as { andThings?: boolean } | undefined)?.andThings === true;

/** The routes of `/v1/enrollments`. */
export function enrollmentRoutes(service: EnrollmentService) {
  return async (app: App) => {
    app.post(
      '/v1/enrollments',
      {
        config: { access: 'enrollments:write', needs: ['policies:attach'] },
        schema: {
          operationId: 'createEnrollment',
          summary: 'Create an enrollment; its token is shown once',
          description:
            'Needs policies:attach too, and segments:write with a segment, things:write with attributes or deviceAttributes.',
          tags,
          body: schema.newEnrollment,
          response: { 201: schema.createdEnrollment },
        },
      },
      async (request, reply) => {
        requireAllEffects(grantee(request), request.body);
        const created = await service.create(grantee(request).account, request.body, originOf(request));
        return reply.code(201).send(created);
      },
    );

    app.get(
      '/v1/enrollments',
      {
        config: { access: 'enrollments:read' },
        schema: {
          operationId: 'listEnrollments',
          summary: 'List enrollments',
          tags,
          querystring: pageQuery,
          response: { 200: schema.enrollmentPage },
        },
      },
      async (request) => {
        const { account } = grantee(request);
        const place = placeIn(`enrollments ${account}`, request.query);
        const { after, limit } = spanOf(place, uuidForm);
        const rows = await service.list(account, after, limit);
        return pageOf(rows, place, ({ id }) => id, present);
      },
    );

    app.get(
      '/v1/enrollments/:id',
      {
        config: { access: 'enrollments:read' },
        schema: {
          operationId: 'getEnrollment',
          summary: 'Read an enrollment',
          tags,
          params: schema.enrollmentParams,
          response: { 200: schema.enrollment },
        },
      },
      async (request) => present(await service.get(grantee(request).account, request.params.id)),
    );

    app.patch(
      '/v1/enrollments/:id',
      {
        config: { access: 'enrollments:write' },
        schema: {
          operationId: 'updateEnrollment',
          summary: 'Change how long its devices can renew after their certificates expired',
          tags,
          params: schema.enrollmentParams,
          body: schema.enrollmentPatch,
          response: { 200: schema.enrollment },
        },
      },
      async (request) => {
        const { account } = grantee(request);
        const { renewGraceSeconds } = request.body;
        return present(await service.setGrace(account, request.params.id, renewGraceSeconds, originOf(request)));
      },
    );

    app.post(
      '/v1/enrollments/:id/revoke',
      {
        config: { access: 'enrollments:write', stepUp: revokesThings },
        schema: {
          operationId: 'revokeEnrollment',
          summary: 'Stop an enrollment; with andThings, which needs certificates:revoke, also revoke what it created',
          tags,
          params: schema.enrollmentParams,
          body: schema.revokeEnrollment,
          response: { 200: schema.enrollment },
        },
      },
      async (request) => {
        const { account } = grantee(request);
        const andThings = request.body?.andThings ?? false;
        if (andThings) requirePermissions(grantee(request), ['certificates:revoke'], 'andThings');
        return present(await service.revoke(account, request.params.id, andThings, originOf(request)));
      },
    );
  };
}

/** An enrollment gives its things what other routes would give them, so it needs what those need. */
function requireAllEffects(caller: Grantee, request: schema.NewEnrollment): void {
  const { attributes = {}, deviceAttributes = [], segment } = request;
  if (segment !== undefined) requirePermissions(caller, ['segments:write'], 'an enrollment into a segment');
  if (Object.keys(attributes).length > 0 || deviceAttributes.length > 0)
    requirePermissions(caller, ['things:write'], 'an enrollment with attributes');
}

function present({
  segment,
  thingType,
  approval,
  renewGraceSeconds,
  certificateSeconds,
  checkUrl,
  checkTimeoutMs,
  checkSecretSealed: _,
  expectedOnly,
  kind,
  caProved,
  authority,
  expiresAt,
  revokedAt,
  createdAt,
  ...shown
}: ShownEnrollment) {
  const {
    account: ______,
    reenrollsThingId: __,
    reenrollReason: ___,
    bringsBack: ____,
    movesKeys: _____,
    ...rest
  } = shown;
  return {
    ...rest,
    ...(thingType === null ? {} : { thingType }),
    ...(segment === null ? {} : { segment }),
    ...(renewGraceSeconds === null ? {} : { renewGraceSeconds }),
    ...(certificateSeconds === null ? {} : { certificateSeconds }),
    ...(checkUrl === null ? {} : { check: { url: checkUrl, timeoutMs: checkTimeoutMs! } }),
    ...(expectedOnly ? { expectedOnly } : {}),
    ...(kind === null ? {} : { kind: 'ca' as const }),
    ...(authority ? { ca: presentAuthority(authority, caProved) } : {}),
    ...(approval === null ? {} : { approval: 'required' as const }),
    ...(expiresAt === null ? {} : { expiresAt: rfc3339(expiresAt) }),
    ...(revokedAt === null ? {} : { revokedAt: rfc3339(revokedAt) }),
    createdAt: rfc3339(createdAt),
  };
}
