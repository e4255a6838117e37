import { z } from 'zod';
import { pageOf, placeIn, spanOf, totalOf } from '../api/paging.js';
import { rfc3339 } from '../clock.js';
import { grantee, originOf } from '../http/request.js';
import type { App } from '../http/route.js';
import * as schema from './schema.js';
import { groupTag, type GroupService } from './service.js';

const tags = ['things'];

type Group = Awaited<ReturnType<GroupService['get']>>;

/** The routes of `/v1/groups`. */
export function groupRoutes(service: GroupService) {
  return async (app: App) => {
    app.post(
      '/v1/groups',
      {
        config: { access: 'things:write' },
        schema: {
          operationId: 'createGroup',
          summary: 'Give a name to a question about things',
          description: 'Nothing is attached to a group: each act that names it asks once which things are in it.',
          tags,
          body: schema.newGroup,
          response: { 201: schema.group },
        },
      },
      async (request, reply) => {
        const group = await service.create(grantee(request).account, request.body, originOf(request));
        void reply.header('etag', groupTag(group));
        return reply.code(201).send(present(group));
      },
    );

    app.get(
      '/v1/groups',
      {
        config: { access: 'things:read' },
        schema: {
          operationId: 'listGroups',
          summary: 'List groups',
          tags,
          querystring: schema.groupQuery,
          response: { 200: schema.groupPage },
        },
      },
      async (request) => {
        const { query } = request;
        const { account } = grantee(request);
        const place = placeIn(`groups ${account}`, query);
        const rows = await service.list(account, query, spanOf(place, /^[A-Za-z0-9_-]+$/));
        const total = await totalOf(query, (most) => service.countMatching(account, query, most));
        return { ...pageOf(rows, place, ({ name }) => name, present), ...total };
      },
    );

    app.get(
      '/v1/groups/:name',
      {
        config: { access: 'things:read' },
        schema: {
          operationId: 'getGroup',
          summary: 'Read a group; GET /v1/things?group= lists what is in it',
          tags,
          params: schema.groupParams,
          response: { 200: schema.group },
        },
      },
      async (request, reply) => {
        const group = await service.get(grantee(request).account, request.params.name);
        void reply.header('etag', groupTag(group));
        return present(group);
      },
    );

    app.patch(
      '/v1/groups/:name',
      {
        config: { access: 'things:write', conditional: true },
        schema: {
          operationId: 'updateGroup',
          summary: 'Change the query of a group; what has begun keeps its things',
          tags,
          params: schema.groupParams,
          body: schema.groupPatch,
          response: { 200: schema.group },
        },
      },
      async (request, reply) => {
        const { params, body } = request;
        const group = await service.patch(grantee(request).account, params.name, body.query, originOf(request));
        void reply.header('etag', groupTag(group));
        return present(group);
      },
    );

    app.delete(
      '/v1/groups/:name',
      {
        config: { access: 'things:write', conditional: true },
        schema: {
          operationId: 'deleteGroup',
          summary: 'Delete a group; its things stay as they are',
          tags,
          params: schema.groupParams,
          response: { 204: z.null() },
        },
      },
      async (request, reply) => {
        await service.delete(grantee(request).account, request.params.name, originOf(request));
        return reply.code(204).send(null);
      },
    );
  };
}

function present({ account: _, createdAt, changedAt, ...group }: Group): z.output<typeof schema.group> {
  return { ...group, createdAt: rfc3339(createdAt), changedAt: rfc3339(changedAt) };
}
