import { rfc3339 } from '../clock.js';
import { originOf } from '../http/request.js';
import type { App } from '../http/route.js';
import { pageOf, placeIn, spanOf, totalOf } from '../api/paging.js';
import * as schema from './schema.js';
import type { AccountService } from './service.js';

/** The routes of `/v1/accounts`. */
export function accountRoutes(service: AccountService) {
  return async (app: App) => {
    app.post(
      '/v1/accounts',
      {
        config: { access: 'accounts:write', cost: 'heavy', stepUp: true },
        schema: {
          operationId: 'createAccount',
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
          operationId: 'listAccounts',
          summary: 'List accounts',
          tags: ['accounts'],
          querystring: schema.accountQuery,
          response: { 200: schema.accountPage },
        },
      },
      async ({ query }) => {
        const place = placeIn('accounts', query);
        const rows = await service.list(query, spanOf(place, /^[a-z0-9-]+$/));
        const total = await totalOf(query, (most) => service.countMatching(query, most));
        return { ...pageOf(rows, place, ({ name }) => name, toAccount), ...total };
      },
    );

    app.patch(
      '/v1/accounts/:name',
      {
        config: { access: 'accounts:write' },
        schema: {
          operationId: 'updateAccount',
          summary: 'Change how long certificates of an account may live, and can be renewed after they expired',
          tags: ['accounts'],
          params: schema.accountParams,
          body: schema.accountPatch,
          response: { 200: schema.account },
        },
      },
      async (request) => toAccount(await service.change(request.params.name, request.body, originOf(request))),
    );

    for (const [verb, status] of [
      ['suspend', 'suspended'],
      ['resume', 'active'],
    ] as const) {
      app.post(
        `/v1/accounts/:name/${verb}`,
        {
          config: { access: 'accounts:write', stepUp: true },
          schema: {
            operationId: `${verb}Account`,
            summary: verb === 'suspend' ? 'Suspend an account' : 'Resume an account',
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

type AccountRow = Awaited<ReturnType<AccountService['setStatus']>>;

function toAccount({ name, status, timeZone, clientIdForm, renewGraceSeconds, ...account }: AccountRow) {
  return {
    name,
    status: status as 'active' | 'suspended',
    timeZone,
    clientIdForm,
    renewGraceSeconds,
    maxCertificateSeconds: account.maxCertificateSeconds,
    createdAt: rfc3339(account.createdAt),
  };
}
