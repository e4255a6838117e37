import { z } from 'zod';
import { rfc3339 } from '../clock.js';
import { grantee, originOf } from '../http/request.js';
import type { App } from '../http/route.js';
import { pageOf, pageQuery, readCursor, uuidForm } from '../shapes.js';
import * as schema from './schema.js';
import type { AccountService } from './service.js';

export function accountRoutes(service: AccountService) {
  return async (app: App) => {
    app.post(
      '/v1/accounts',
      {
        config: { access: 'accounts:write', cost: 'heavy' },
        schema: {
          summary: 'Create an account',
          tags: ['accounts'],
          body: schema.newAccount,
          response: { 201: schema.createdAccount },
        },
      },
      async (request, reply) => reply.code(201).send(await service.create(request.body, originOf(request))),
    );

    app.get(
      '/v1/accounts',
      {
        config: { access: 'accounts:write' },
        schema: {
          summary: 'List accounts',
          tags: ['accounts'],
          querystring: pageQuery,
          response: { 200: schema.accountPage },
        },
      },
      async ({ query: { cursor, limit } }) => {
        const rows = await service.list(readCursor(cursor, /^[a-z0-9-]+$/), limit + 1);
        return pageOf(rows, limit, ({ name }) => name, toAccount);
      },
    );

    for (const [verb, status] of [
      ['suspend', 'suspended'],
      ['resume', 'active'],
    ] as const) {
      app.post(
        `/v1/accounts/:name/${verb}`,
        {
          config: { access: 'accounts:write' },
          schema: {
            summary: `${verb} an account`,
            tags: ['accounts'],
            params: schema.accountParams,
            response: { 200: schema.account },
          },
        },
        async (request) => toAccount(await service.setStatus(request.params.name, status, originOf(request))),
      );
    }
  };
}

export function apiKeyRoutes(service: AccountService) {
  return async (app: App) => {
    app.post(
      '/v1/api-keys',
      {
        config: { access: 'keys:write' },
        schema: {
          summary: 'Create an API key; it is shown once',
          tags: ['api keys'],
          body: schema.newApiKey,
          response: { 201: schema.createdApiKey },
        },
      },
      async (request, reply) =>
        reply.code(201).send(await service.createKey(grantee(request), request.body, originOf(request))),
    );

    app.get(
      '/v1/api-keys',
      {
        config: { access: 'keys:read' },
        schema: {
          summary: 'List API keys',
          tags: ['api keys'],
          querystring: pageQuery,
          response: { 200: schema.apiKeyPage },
        },
      },
      async (request) => {
        const { cursor, limit } = request.query;
        const rows = await service.listKeys(grantee(request).account, readCursor(cursor, uuidForm), limit + 1);
        return pageOf(rows, limit, ({ id }) => id, toApiKey);
      },
    );

    app.get(
      '/v1/api-keys/:id',
      {
        config: { access: 'keys:read' },
        schema: {
          summary: 'Read an API key',
          tags: ['api keys'],
          params: schema.apiKeyParams,
          response: { 200: schema.apiKey },
        },
      },
      async (request) => toApiKey(await service.getKey(grantee(request).account, request.params.id)),
    );

    app.delete(
      '/v1/api-keys/:id',
      {
        config: { access: 'keys:write' },
        schema: {
          summary: 'Delete an API key',
          tags: ['api keys'],
          params: schema.apiKeyParams,
          response: { 204: z.null() },
        },
      },
      async (request, reply) => {
        await service.deleteKey(grantee(request), request.params.id, originOf(request));
        return reply.code(204).send(null);
      },
    );
  };
}

type AccountRow = Awaited<ReturnType<AccountService['setStatus']>>;

function toAccount({ name, status, timeZone, clientIdForm, createdAt }: AccountRow) {
  return { name, status: status as 'active' | 'suspended', timeZone, clientIdForm, createdAt: rfc3339(createdAt) };
}

function toApiKey({
  account: _account,
  accountStatus: _status,
  name,
  role,
  promises,
  expiresAt,
  createdAt,
  ...key
}: Awaited<ReturnType<AccountService['getKey']>>) {
  return {
    ...key,
    ...promises,
    ...(name === null ? {} : { name }),
    ...(role === null ? {} : { role }),
    ...(expiresAt === null ? {} : { expiresAt: rfc3339(expiresAt) }),
    createdAt: rfc3339(createdAt),
  };
}
