import { z } from 'zod';
import { rfc3339 } from '../clock.js';
import { requirePermissions } from '../access/grantee.js';
import { grantee, originOf } from '../http/request.js';
import type { App } from '../http/route.js';
import { pageOf, placeIn, spanOf, totalOf } from '../api/paging.js';
import type { PolicyDeletion } from './deletion.js';
import type { PolicyPreview } from './preview.js';
import * as schema from './schema.js';
import type { PolicyService } from './service.js';

const tags = ['policies'];

type Deps = { service: PolicyService; deletion: PolicyDeletion; preview: PolicyPreview; cursor(): string };

// A document is read by the service, which names the statement that is wrong; its schema stands here for readers.
const asItIs = () => () => true;
const documentBytes = 1024 * 1024;
const shownVersions = 100;

const describeVersion = ({ createdAt, ...version }: { version: number; createdAt: Date; createdBy: string }) => ({
  ...version,
  createdAt: rfc3339(createdAt),
});

/** The routes of `/v1/policies`. */
export function policyRoutes({ service, deletion, preview, cursor }: Deps) {
  return async (app: App) => {
    app.post(
      '/v1/policies',
      {
        config: { access: 'policies:write', distinctMembers: true, load: 'heavy' },
        validatorCompiler: asItIs,
        bodyLimit: documentBytes,
        schema: {
          operationId: 'createPolicy',
          summary: 'Create a policy; version 1 is active',
          tags,
          body: schema.document,
          response: { 201: schema.savedVersion },
        },
      },
      async (request, reply) =>
        reply.code(201).send(await service.create(grantee(request).account, request.body, originOf(request))),
    );

    app.get(
      '/v1/policies',
      {
        config: { access: 'policies:read' },
        schema: {
          operationId: 'listPolicies',
          summary: 'List policies',
          tags,
          querystring: schema.policyQuery,
          response: { 200: schema.policyPage },
        },
      },
      async (request) => {
        const { query } = request;
        const { account } = grantee(request);
        const place = placeIn(`policies ${account}`, query);
        const rows = await service.list(account, query, spanOf(place, /^[A-Za-z0-9_-]+$/));
        const total = await totalOf(query, (most) => service.countMatching(account, query, most));
        const page = pageOf(
          rows,
          place,
          ({ name }) => name,
          ({ name, activeVersion }) => ({ name, activeVersion }),
        );
        return { ...page, ...total };
      },
    );

    app.post(
      '/v1/policies/lint',
      {
        config: { access: 'policies:read', distinctMembers: true, cost: 'heavy', makesNothing: true },
        validatorCompiler: asItIs,
        bodyLimit: documentBytes,
        schema: {
          operationId: 'lintPolicy',
          summary: 'The findings about a document',
          tags,
          body: schema.document,
          response: { 200: schema.lintAnswer },
        },
      },
      async (request) => {
        const findings = await service.lint(request.body);
        return { ok: findings.every(({ level }) => level !== 'error'), findings };
      },
    );

    app.post(
      '/v1/policies/simulate',
      {
        config: { access: 'policies:read', distinctMembers: true, cost: 'heavy', makesNothing: true },
        bodyLimit: documentBytes,
        schema: {
          operationId: 'simulatePolicies',
          summary: 'What policies would decide: any version, any time, a real or an imagined thing',
          description:
            'Members of a thing that a request leaves out come from the registry, which needs things:read; without it every thing is imagined, and the request must name policies.',
          tags,
          body: schema.simulation,
          response: { 200: schema.simulated },
        },
      },
      async (request) => {
        const caller = grantee(request);
        const { policies } = request.body;
        if (!policies) requirePermissions(caller, ['things:read'], 'deciding with the policies of real things');
        return preview.simulate(caller.account, request.body, caller.permissions.has('things:read'));
      },
    );

    app.get(
      '/v1/policies/:name',
      {
        config: { access: 'policies:read' },
        schema: {
          operationId: 'getPolicy',
          summary: 'Read a policy',
          tags,
          params: schema.policyParams,
          response: { 200: schema.policy },
        },
      },
      async (request, reply) => {
        const { account } = grantee(request);
        const { name, activeVersion } = await service.find(account, request.params.name);
        const { document } = await service.findVersion(account, name, activeVersion);
        const versions = await service.versions(account, name, undefined, shownVersions);
        void reply.header('etag', await deletion.tagOf(account, name));
        return { name, activeVersion, document, versions: versions.map(describeVersion) };
      },
    );

    app.delete(
      '/v1/policies/:name',
      {
        config: { access: 'policies:write', conditional: true },
        schema: {
          operationId: 'deletePolicy',
          summary: 'Delete a policy that nothing uses, with all of its versions',
          tags,
          params: schema.policyParams,
          response: { 204: z.null() },
        },
      },
      async (request, reply) => {
        await deletion.delete(grantee(request), request.params.name, originOf(request));
        return reply.code(204).send(null);
      },
    );

    app.get(
      '/v1/policies/:name/versions',
      {
        config: { access: 'policies:read' },
        schema: {
          operationId: 'listPolicyVersions',
          summary: 'List the versions of a policy, newest first',
          tags,
          params: schema.policyParams,
          querystring: schema.versionQuery,
          response: { 200: schema.versionPage },
        },
      },
      async (request) => {
        const { account } = grantee(request);
        const { query } = request;
        const { name } = await service.find(account, request.params.name);
        const place = placeIn(`versions ${account} ${name}`, query);
        const { after, limit } = spanOf(place, /^[1-9]\d{0,8}$/);
        const rows = await service.versions(account, name, after === undefined ? undefined : Number(after), limit);
        const total = await totalOf(query, (most) => service.countVersions(account, name, most));
        return { ...pageOf(rows, place, ({ version }) => String(version), describeVersion), ...total };
      },
    );

    app.post(
      '/v1/policies/:name/versions',
      {
        config: { access: 'policies:write', distinctMembers: true, load: 'heavy' },
        bodyLimit: documentBytes,
        schema: {
          operationId: 'createPolicyVersion',
          summary: 'Add a version, not active yet',
          tags,
          params: schema.policyParams,
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
      '/v1/policies/:name/versions/:version',
      {
        config: { access: 'policies:read' },
        schema: {
          operationId: 'getPolicyVersion',
          summary: 'Read a version',
          tags,
          params: schema.versionParams,
          response: { 200: schema.policyVersion },
        },
      },
      async (request) => {
        const { account } = grantee(request);
        const { name, version } = request.params;
        const { activeVersion } = await service.find(account, name);
        const { document, createdAt, createdBy } = await service.findVersion(account, name, version);
        return { name, version, active: version === activeVersion, document, createdAt: rfc3339(createdAt), createdBy };
      },
    );

    app.post(
      '/v1/policies/:name/activate',
      {
        config: { access: 'policies:write', cost: 'heavy' },
        schema: {
          operationId: 'activatePolicy',
          summary: 'Make a version the active one, newer or older; with dryRun, see what would change',
          tags,
          params: schema.policyParams,
          body: schema.activation,
          response: { 200: schema.activated },
        },
      },
      async (request) => {
        const { account } = grantee(request);
        const { name } = request.params;
        const { version, dryRun } = request.body;
        if (dryRun) {
          requirePermissions(grantee(request), ['things:read'], 'dryRun, which shows names of things,');
          const { activeVersion } = await service.find(account, name);
          await service.findVersion(account, name, version);
          return {
            name,
            activeVersion,
            dryRun: true as const,
            blastRadius: await preview.blastRadius(account, name, version),
          };
        }
        await service.activate(account, name, version, originOf(request));
        return { name, activeVersion: version, cursor: cursor() };
      },
    );
  };
}
