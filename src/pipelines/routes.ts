import { z } from 'zod';
import { pageOf, placeIn, spanOf, totalOf } from '../api/paging.js';
import { grantee, originOf } from '../http/request.js';
import type { App } from '../http/route.js';
import * as schema from './schema.js';
import { pipelineTag, requireSound, type PipelineService } from './service.js';
import type { PipelineSimulator } from './simulation.js';
import { maySeeSites, versionRoutes } from './version-routes.js';

const tags = ['pipelines'];

type Deps = { service: PipelineService; simulator: PipelineSimulator };

// A document is read by the service, which says where it is wrong; its schema stands here for readers.
const asItIs = () => () => true;
const documentBytes = 256 * 1024;
const recordedBytes = 1024 * 1024;
const shownVersions = 100;

/** A list shows no version where none is active. */
const listed = ({ name, activeVersion, builtIn }: { name: string; activeVersion: number | null; builtIn?: true }) => ({
  name,
  activeVersion: activeVersion ?? undefined,
  builtIn,
});

/** The routes of `/v1/pipelines`. */
export function pipelineRoutes({ service, simulator }: Deps) {
  return async (app: App) => {
    app.post(
      '/v1/pipelines',
      {
        config: { access: 'pipelines:write', distinctMembers: true, load: 'heavy' },
        validatorCompiler: asItIs,
        bodyLimit: documentBytes,
        schema: {
          operationId: 'createPipeline',
          summary: 'Create a pipeline; version 1 is active, if there is room for it at every site',
          tags,
          body: schema.document,
          response: { 201: schema.savedVersion },
        },
      },
      async (request, reply) =>
        reply
          .code(201)
          .send(
            await service.create(
              grantee(request).account,
              request.body,
              originOf(request),
              maySeeSites(grantee(request)),
            ),
          ),
    );

    app.get(
      '/v1/pipelines',
      {
        config: { access: 'pipelines:read' },
        schema: {
          operationId: 'listPipelines',
          summary: 'List pipelines, those that are built in among them',
          tags,
          querystring: schema.pipelineQuery,
          response: { 200: schema.pipelinePage },
        },
      },
      async (request) => {
        const { query } = request;
        const { account } = grantee(request);
        const place = placeIn(`pipelines ${account}`, query);
        const rows = await service.list(account, query, spanOf(place, /^[A-Za-z0-9_-]+$/));
        const total = await totalOf(query, (most) => service.countMatching(account, query, most));
        return { ...pageOf(rows, place, ({ name }) => name, listed), ...total };
      },
    );

    app.post(
      '/v1/pipelines/lint',
      {
        config: { access: 'pipelines:read', distinctMembers: true, cost: 'heavy', makesNothing: true },
        validatorCompiler: asItIs,
        bodyLimit: documentBytes,
        schema: {
          operationId: 'lintPipeline',
          summary: 'The findings about a document',
          tags,
          body: schema.document,
          response: { 200: schema.lintAnswer },
        },
      },
      (request) => {
        const findings = service.lint(request.body);
        return { ok: findings.every(({ level }) => level !== 'error'), findings };
      },
    );

    app.post(
      '/v1/pipelines/simulate',
      {
        config: { access: 'pipelines:read', distinctMembers: true, cost: 'heavy', makesNothing: true },
        bodyLimit: recordedBytes,
        schema: {
          operationId: 'simulatePipelineDocument',
          summary: 'What a document would make of recorded messages',
          tags,
          body: schema.draftSimulation,
          response: { 200: schema.simulated },
        },
      },
      async (request) =>
        simulator.simulate(grantee(request).account, requireSound(request.body.document), request.body),
    );

    app.post(
      '/v1/pipelines/:name/simulate',
      {
        config: { access: 'pipelines:read', distinctMembers: true, cost: 'heavy', makesNothing: true },
        bodyLimit: recordedBytes,
        schema: {
          operationId: 'simulatePipeline',
          summary: 'What a saved pipeline would make of recorded messages',
          tags,
          params: schema.pipelineParams,
          body: schema.simulation,
          response: { 200: schema.simulated },
        },
      },
      async (request) => {
        const { account } = grantee(request);
        const { document } = await service.current(account, request.params.name, request.body.version);
        return simulator.simulate(account, requireSound(document), request.body);
      },
    );

    app.get(
      '/v1/pipelines/:name',
      {
        config: { access: 'pipelines:read' },
        schema: {
          operationId: 'getPipeline',
          summary: 'Read a pipeline',
          tags,
          params: schema.pipelineParams,
          response: { 200: schema.pipeline },
        },
      },
      async (request, reply) => {
        const { account } = grantee(request);
        const { name } = request.params;
        const found = await service.place(account, name);
        const { document } = await service.current(account, name);
        const versions = await service.versions(account, name, undefined, shownVersions);
        void reply.header('etag', pipelineTag(name, found));
        return { ...listed({ ...found, name }), document, versions: versions.map(schema.describeVersion) };
      },
    );

    app.delete(
      '/v1/pipelines/:name',
      {
        config: { access: 'pipelines:write', conditional: true },
        schema: {
          operationId: 'deletePipeline',
          summary: 'Delete a pipeline with all of its versions',
          tags,
          params: schema.pipelineParams,
          response: { 204: z.null() },
        },
      },
      async (request, reply) => {
        await service.delete(grantee(request).account, request.params.name, originOf(request));
        return reply.code(204).send(null);
      },
    );
    versionRoutes(app, service);
  };
}
