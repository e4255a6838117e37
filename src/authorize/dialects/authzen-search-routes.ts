import { grantee } from '../../http/request.js';
import type { App } from '../../http/route.js';
import * as schema from './authzen-schema.js';
import type { AuthzenSearch } from './authzen-search.js';

const tags = ['proxies'];
const bodyLimit = 512 * 1024;

/** The searches of AuthZEN 1.0. The names of things are for who may read them. */
export function authzenSearchRoutes(search: AuthzenSearch) {
  return async (app: App) => {
    app.post(
      '/access/v1/search/subject',
      {
        config: { access: 'authorize:query', needs: ['things:read'], cost: 'heavy' },
        bodyLimit,
        schema: {
          summary: 'AuthZEN: the things that may do this',
          description: 'A page may be short or empty while there is more: go on until `next_token` is empty.',
          tags,
          body: schema.subjectSearch,
          response: { 200: schema.entitiesAnswer },
        },
      },
      async (request) => search.subjects(grantee(request), request.body),
    );

    app.post(
      '/access/v1/search/action',
      {
        config: { access: 'authorize:query', cost: 'heavy' },
        bodyLimit,
        schema: {
          summary: 'AuthZEN: what a thing may do with a resource',
          tags,
          body: schema.actionSearch,
          response: { 200: schema.actionsAnswer },
        },
      },
      async (request) => search.actions(grantee(request), request.body),
    );

    app.post(
      '/access/v1/search/resource',
      {
        config: { access: 'authorize:query', cost: 'heavy' },
        bodyLimit,
        schema: {
          summary: 'AuthZEN: the resources that the policies of a thing spell out, as far as it may do this with them',
          description: 'What policies describe by wildcards is not listed.',
          tags,
          body: schema.resourceSearch,
          response: { 200: schema.entitiesAnswer },
        },
      },
      async (request) => search.resources(grantee(request), request.body),
    );
  };
}
