import { z } from 'zod';
import { pageOf, placeIn } from '../api/paging.js';
import { rfc3339 } from '../clock.js';
import { grantee, originOf } from '../http/request.js';
import type { App } from '../http/route.js';
import type { PayloadSchemas } from './payload-schemas.js';
import * as schema from './schema.js';

const tags = ['commands'];
const nameForm = /^[A-Za-z0-9_-]{1,64}$/;
const typeForm = /^[A-Za-z0-9_-]{0,64}$/;

type Stored = Awaited<ReturnType<PayloadSchemas['get']>>;

/** The routes of what payloads of commands look like. */
export function schemaRoutes(schemas: PayloadSchemas) {
  return async (app: App) => {
    app.post(
      '/v1/command-schemas',
      {
        config: { access: 'commands:write' },
        schema: {
          operationId: 'createCommandSchema',
          summary: 'Say what the payloads of a command look like, for a type of things or for all',
          tags,
          body: schema.newSchema,
          response: { 201: schema.commandSchema },
        },
      },
      async (request, reply) => {
        const made = await schemas.create(grantee(request).account, request.body, originOf(request));
        return reply.code(201).send(present(made));
      },
    );

    app.get(
      '/v1/command-schemas',
      {
        config: { access: 'things:read' },
        schema: {
          operationId: 'listCommandSchemas',
          summary: 'List what payloads of commands look like',
          tags,
          querystring: schema.schemaQuery,
          response: { 200: schema.schemaPage },
        },
      },
      async (request) => {
        const { account } = grantee(request);
        const place = placeIn(`command-schemas ${account}`, request.query);
        const [name, thingType] = place.after(nameForm, typeForm) ?? [];
        const after = name === undefined ? undefined : { name, thingType: thingType! };
        const rows = await schemas.list(account, request.query.name, after, place.limit + 1);
        return pageOf(rows, place, (row) => [row.name, row.thingType], present);
      },
    );

    app.get(
      '/v1/command-schemas/:id',
      {
        config: { access: 'things:read' },
        schema: {
          operationId: 'getCommandSchema',
          summary: 'Read a schema',
          tags,
          params: schema.schemaParams,
          response: { 200: schema.commandSchema },
        },
      },
      async (request) => present(await schemas.get(grantee(request).account, request.params.id)),
    );

    app.delete(
      '/v1/command-schemas/:id',
      {
        config: { access: 'commands:write' },
        schema: {
          operationId: 'deleteCommandSchema',
          summary: 'Delete a schema; commands that were made stay',
          tags,
          params: schema.schemaParams,
          response: { 204: z.null() },
        },
      },
      async (request, reply) => {
        await schemas.delete(grantee(request).account, request.params.id, originOf(request));
        return reply.code(204).send(null);
      },
    );
  };
}

function present({ thingType, schema: text, createdAt, ...rest }: Stored) {
  return {
    ...rest,
    ...(thingType === '' ? {} : { thingType }),
    schema: JSON.parse(text) as unknown,
    createdAt: rfc3339(createdAt),
  };
}
