import { pageOf, placeIn, spanOf, totalOf } from '../api/paging.js';
import { requirePermissions, type Grantee } from '../access/grantee.js';
import { grantee, originOf } from '../http/request.js';
import type { App } from '../http/route.js';
import * as schema from './schema.js';
import type { PipelineService } from './service.js';

const tags = ['pipelines'];
// To make none active needs no room anywhere.
const nothing = { fits: true, sites: [], unknown: [], counts: { sites: 0, refusing: 0, unknown: 0 } };

/** Whether a refusal may name sites, as `/v1/sites` does. */
export const maySeeSites = ({ permissions }: Grantee): boolean => permissions.has('things:read');

const documentBytes = 256 * 1024;

/** The routes of the versions of a pipeline. */
export function versionRoutes(app: App, service: PipelineService): void {
  app.get(
    '/v1/pipelines/:name/versions',
    {
      config: { access: 'pipelines:read' },
      schema: {
        operationId: 'listPipelineVersions',
        summary: 'List the versions of a pipeline, newest first',
        tags,
        params: schema.pipelineParams,
        querystring: schema.versionQuery,
        response: { 200: schema.versionPage },
      },
    },
    async (request) => {
      const { account } = grantee(request);
      const { query } = request;
      const { name } = request.params;
      const place = placeIn(`pipeline versions ${account} ${name}`, query);
      const { after, limit } = spanOf(place, /^[1-9]\d{0,8}$/);
      const rows = await service.versions(account, name, after === undefined ? undefined : Number(after), limit);
      const total = await totalOf(query, (most) => service.countVersions(account, name, most));
      return { ...pageOf(rows, place, ({ version }) => String(version), schema.describeVersion), ...total };
    },
  );

  app.post(
    '/v1/pipelines/:name/versions',
    {
      config: { access: 'pipelines:write', distinctMembers: true, load: 'heavy' },
      bodyLimit: documentBytes,
      schema: {
        operationId: 'createPipelineVersion',
        summary: 'Add a version, not active yet',
        tags,
        params: schema.pipelineParams,
        body: schema.versionDocument,
        response: { 201: schema.savedVersion },
      },
    },
    async (request, reply) => {
      const { account } = grantee(request);
      const saved = await service.addVersion(account, request.params.name, request.body, originOf(request));
      return reply.code(201).send(saved);
    },
  );

  app.get(
    '/v1/pipelines/:name/versions/:version',
    {
      config: { access: 'pipelines:read' },
      schema: {
        operationId: 'getPipelineVersion',
        summary: 'Read a version',
        tags,
        params: schema.versionParams,
        response: { 200: schema.pipelineVersion },
      },
    },
    async (request) => {
      const { account } = grantee(request);
      const { name, version } = request.params;
      const { activeVersion } = await service.place(account, name);
      const found = await service.findVersion(account, name, version);
      return { ...schema.describeVersion(found), name, active: version === activeVersion, document: found.document };
    },
  );

  app.post(
    '/v1/pipelines/:name/activate',
    {
      config: { access: 'pipelines:write', cost: 'heavy' },
      schema: {
        operationId: 'activatePipeline',
        summary:
          'Make a version the active one, newer or older, or none; with dryRun, see whether there is room for it',
        tags,
        params: schema.pipelineParams,
        body: schema.activation,
        response: { 200: schema.activated },
      },
    },
    async (request) => {
      const { name } = request.params;
      const { version, dryRun } = request.body;
      const caller = grantee(request);
      if (dryRun) {
        requirePermissions(caller, ['things:read'], 'dryRun, which shows sites,');
        const { activeVersion } = await service.place(caller.account, name);
        const plan = version === null ? nothing : await service.plan(caller.account, name, version);
        return { name, activeVersion: activeVersion ?? undefined, dryRun: true as const, ...plan };
      }
      await service.activate(caller.account, name, version, originOf(request), maySeeSites(caller));
      return { name, activeVersion: version ?? undefined };
    },
  );
}
