import { z } from 'zod';
import { rfc3339 } from '../clock.js';
import { grantee, originOf } from '../http/request.js';
import type { App } from '../http/route.js';
import { pageOf, placeIn, spanOf, totalOf } from '../api/paging.js';
import * as schema from './schema.js';
import { segmentTag, type SegmentService } from './service.js';

const tags = ['segments'];

type Segment = Awaited<ReturnType<SegmentService['get']>>;

/** The routes of `/v1/segments`. */
export function segmentRoutes(service: SegmentService) {
  return async (app: App) => {
    app.post(
      '/v1/segments',
      {
        config: { access: 'segments:write' },
        schema: {
          operationId: 'createSegment',
          summary: 'Create a segment',
          tags,
          body: schema.newSegment,
          response: { 201: schema.segment },
        },
      },
      async (request, reply) =>
        reply.code(201).send(present(await service.create(grantee(request).account, request.body, originOf(request)))),
    );

    app.get(
      '/v1/segments',
      {
        config: { access: 'segments:read' },
        schema: {
          operationId: 'listSegments',
          summary: 'List segments',
          tags,
          querystring: schema.segmentQuery,
          response: { 200: schema.segmentPage },
        },
      },
      async (request) => {
        const { query } = request;
        const { account } = grantee(request);
        const place = placeIn(`segments ${account}`, query);
        const rows = await service.list(account, query, spanOf(place, /^[A-Za-z0-9_-]+$/));
        const total = await totalOf(query, (most) => service.countMatching(account, query, most));
        return { ...pageOf(rows, place, ({ name }) => name, present), ...total };
      },
    );

    app.get(
      '/v1/segments/:name',
      {
        config: { access: 'segments:read' },
        schema: {
          operationId: 'getSegment',
          summary: 'Read a segment',
          tags,
          params: schema.segmentParams,
          response: { 200: schema.segment },
        },
      },
      async (request, reply) => {
        const segment = await service.get(grantee(request).account, request.params.name);
        void reply.header('etag', segmentTag(segment));
        return present(segment);
      },
    );

    app.patch(
      '/v1/segments/:name',
      {
        config: { access: 'segments:write', conditional: true },
        schema: {
          operationId: 'updateSegment',
          summary: 'Change a segment (merge patch)',
          tags,
          params: schema.segmentParams,
          body: schema.segmentPatch,
          response: { 200: schema.segment },
        },
      },
      async (request, reply) => {
        const { account } = grantee(request);
        const segment = await service.patch(account, request.params.name, request.body, originOf(request));
        void reply.header('etag', segmentTag(segment));
        return present(segment);
      },
    );

    app.delete(
      '/v1/segments/:name',
      {
        config: { access: 'segments:write', conditional: true },
        schema: {
          operationId: 'deleteSegment',
          summary: 'Delete an empty segment',
          tags,
          params: schema.segmentParams,
          response: { 204: z.null() },
        },
      },
      async (request, reply) => {
        await service.delete(grantee(request).account, request.params.name, originOf(request));
        return reply.code(204).send(null);
      },
    );

    app.put(
      '/v1/segments/:name/things/:thingName',
      {
        config: { access: 'segments:write' },
        schema: {
          operationId: 'addThingToSegment',
          summary: 'Move a thing into a segment',
          tags,
          params: schema.membershipParams,
          response: { 200: schema.membership },
        },
      },
      async (request) => {
        const { name, thingName } = request.params;
        await service.put(grantee(request).account, name, thingName, originOf(request));
        return { segment: name, thingName };
      },
    );

    app.delete(
      '/v1/segments/:name/things/:thingName',
      {
        config: { access: 'segments:write' },
        schema: {
          operationId: 'removeThingFromSegment',
          summary: 'Take a thing out of a segment',
          tags,
          params: schema.membershipParams,
          response: { 204: z.null() },
        },
      },
      async (request, reply) => {
        const { name, thingName } = request.params;
        await service.remove(grantee(request).account, name, thingName, originOf(request));
        return reply.code(204).send(null);
      },
    );
  };
}

function present({ account: _, createdAt, ...segment }: Segment): z.output<typeof schema.segment> {
  return { ...segment, createdAt: rfc3339(createdAt) };
}
