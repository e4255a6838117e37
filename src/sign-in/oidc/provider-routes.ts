import { z } from 'zod';
import { rfc3339 } from '../../clock.js';
import { grantee, originOf } from '../../http/request.js';
import type { App } from '../../http/route.js';
import * as schema from './provider-schema.js';
import type { Providers } from './provider-service.js';

type StoredProvider = Awaited<ReturnType<Providers['get']>>;

const tags = ['sign-in'];

/** Where a provider sends browsers back to, and where it says that somebody has left. */
export type ProviderUrls = (id: string) => { redirectUri: string; backchannelLogoutUri: string };

/** The routes of `/v1/sign-in/providers`. */
export function providerRoutes(providers: Providers, urls: ProviderUrls) {
  const present = ({ id, account, name, issuer, clientId, settings, createdAt, createdBy }: StoredProvider) => ({
    id,
    account,
    name,
    issuer,
    clientId,
    ...settings,
    ...urls(id),
    createdAt: rfc3339(createdAt),
    createdBy,
  });
  const writing = { access: 'people:write', stepUp: true } as const;
  const params = schema.providerParams;

  return async (app: App) => {
    app.post(
      '/v1/sign-in/providers',
      {
        config: writing,
        schema: {
          operationId: 'createSignInProvider',
          summary: 'Let people in by an OpenID Connect provider',
          tags,
          body: schema.newProvider,
          response: { 201: schema.provider },
        },
      },
      async (request, reply) =>
        reply.code(201).send(present(await providers.create(grantee(request), request.body, originOf(request)))),
    );

    app.get(
      '/v1/sign-in/providers',
      {
        config: { access: 'people:read' },
        schema: {
          operationId: 'listSignInProviders',
          summary: 'List sign-in providers',
          tags,
          response: { 200: schema.providers },
        },
      },
      async (request) => ({ items: (await providers.list(grantee(request).account)).map(present) }),
    );

    app.get(
      '/v1/sign-in/providers/:id',
      {
        config: { access: 'people:read' },
        schema: {
          operationId: 'getSignInProvider',
          summary: 'Read a sign-in provider',
          tags,
          params,
          response: { 200: schema.provider },
        },
      },
      async (request) => present(await providers.get(grantee(request).account, request.params.id)),
    );

    app.patch(
      '/v1/sign-in/providers/:id',
      {
        config: writing,
        schema: {
          operationId: 'updateSignInProvider',
          summary: 'Change a sign-in provider; the sessions that it vouches for end',
          tags,
          params,
          body: schema.providerChange,
          response: { 200: schema.provider },
        },
      },
      async (request) => {
        const { params, body } = request;
        return present(await providers.update(grantee(request), params.id, body, originOf(request)));
      },
    );

    app.delete(
      '/v1/sign-in/providers/:id',
      {
        config: writing,
        schema: {
          operationId: 'deleteSignInProvider',
          summary: 'Delete a sign-in provider; the sessions that it vouches for end',
          tags,
          params,
          response: { 204: z.null() },
        },
      },
      async (request, reply) => {
        await providers.delete(grantee(request), request.params.id, originOf(request));
        return reply.code(204).send(null);
      },
    );
  };
}
