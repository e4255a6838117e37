import { z } from 'zod';
import { rfc3339 } from '../clock.js';
import { grantee, originOf } from '../http/request.js';
import type { App } from '../http/route.js';
import { pageOf, placeIn, spanOf, totalOf, uuidForm } from '../api/paging.js';
import * as schema from './schema.js';
import { keyTag, type ApiKeyService } from './service.js';

/** The routes of `/v1/api-keys`. */
export function apiKeyRoutes(service: ApiKeyService) {
  return async (app: App) => {
    app.post(
      '/v1/api-keys',
      {
        config: { access: 'keys:write', stepUp: true },
        schema: {
          operationId: 'createApiKey',
          summary: 'Create an API key; it is shown once',
          tags: ['api keys'],
          body: schema.newApiKey,
          response: { 201: schema.createdApiKey },
        },
      },
      async (request, reply) =>
        reply.code(201).send(await service.create(grantee(request), request.body, originOf(request))),
    );

    app.get(
      '/v1/api-keys',
      {
        config: { access: 'keys:read' },
        schema: {
          operationId: 'listApiKeys',
          summary: 'List API keys',
          tags: ['api keys'],
          querystring: schema.apiKeyQuery,
          response: { 200: schema.apiKeyPage },
        },
      },
      async (request) => {
        const { query } = request;
        const { account } = grantee(request);
        const place = placeIn(`keys ${account}`, query);
        const rows = await service.list(account, query, spanOf(place, uuidForm));
        const total = await totalOf(query, (most) => service.countMatching(account, query, most));
        return { ...pageOf(rows, place, ({ id }) => id, present), ...total };
      },
    );

    app.get(
      '/v1/api-keys/:id',
      {
        config: { access: 'keys:read' },
        schema: {
          operationId: 'getApiKey',
          summary: 'Read an API key',
          tags: ['api keys'],
          params: schema.apiKeyParams,
          response: { 200: schema.apiKey },
        },
      },
      async (request, reply) => {
        const key = await service.get(grantee(request).account, request.params.id);
        void reply.header('etag', keyTag(key));
        return present(key);
      },
    );

    app.patch(
      '/v1/api-keys/:id',
      {
        config: { access: 'keys:write', conditional: true },
        schema: {
          operationId: 'updateApiKey',
          summary: 'Change the name, description or expiry of an API key (merge patch)',
          description: 'Whoever changes a key needs everything that the key may do. What it may do stays as it is.',
          tags: ['api keys'],
          params: schema.apiKeyParams,
          body: schema.apiKeyPatch,
          response: { 200: schema.apiKey },
        },
      },
      async (request, reply) => {
        const key = await service.change(grantee(request), request.params.id, request.body, originOf(request));
        void reply.header('etag', keyTag(key));
        return present(key);
      },
    );

    app.delete(
      '/v1/api-keys/:id',
      {
        config: { access: 'keys:write', conditional: true, stepUp: true },
        schema: {
          operationId: 'deleteApiKey',
          summary: 'Delete an API key',
          tags: ['api keys'],
          params: schema.apiKeyParams,
          response: { 204: z.null() },
        },
      },
      async (request, reply) => {
        await service.delete(grantee(request), request.params.id, originOf(request));
        return reply.code(204).send(null);
      },
    );
  };
}

function present({
  account: _account,
  accountStatus: _status,
  name,
  description,
  role,
  promises,
  expiresAt,
  createdAt,
  personId,
  ...key
}: Awaited<ReturnType<ApiKeyService['get']>>) {
  return {
    ...key,
    ...promises,
    ...(name === null ? {} : { name }),
    ...(description === null ? {} : { description }),
    ...(role === null ? {} : { role }),
    ...(expiresAt === null ? {} : { expiresAt: rfc3339(expiresAt) }),
    createdAt: rfc3339(createdAt),
    ...(personId === null ? {} : { person: personId }),
  };
}
