import { problemOf } from '../../http/problems.js';
import type { App } from '../../http/route.js';
import * as schema from './authzen-schema.js';
import type { AuthzenSearch } from './authzen-search.js';
import { mountDialect } from './dialect.js';

const common = {
  access: 'authorize:query',
  cost: 'heavy',
  bodyLimit: 512 * 1024,
  answerOf: (body: unknown) => ({ body }),
  failureOf: problemOf,
} as const;
const tags = ['proxies'];

/** The searches of AuthZEN 1.0. The names of things are for who may read them. */
export function mountAuthzenSearch(app: App, search: AuthzenSearch): void {
  mountDialect(app, {
    ...common,
    url: '/access/v1/search/subject',
    needs: ['things:read'],
    schema: {
      operationId: 'searchSubjects',

      summary: 'AuthZEN: the things that may do this',
      description: 'A page may be short or empty while there is more: continue until `next_token` is empty.',
      tags,
      response: { 200: schema.entitiesAnswer },
    },
    body: schema.subjectSearch,
    questionOf: (asked) => asked,
    decide: (asker, asked) => search.subjects(asker, asked),
  });
  mountDialect(app, {
    ...common,
    url: '/access/v1/search/action',
    schema: {
      operationId: 'searchActions',

      summary: 'AuthZEN: what a thing may do with a resource',
      tags,
      response: { 200: schema.actionsAnswer },
    },
    body: schema.actionSearch,
    questionOf: (asked) => asked,
    decide: (asker, asked) => search.actions(asker, asked),
  });
  mountDialect(app, {
    ...common,
    url: '/access/v1/search/resource',
    schema: {
      operationId: 'searchResources',

      summary: 'AuthZEN: the resources that the policies of a thing name and with which it may do this',
      description: 'Resources that policies describe with wildcards are not listed.',
      tags,
      response: { 200: schema.entitiesAnswer },
    },
    body: schema.resourceSearch,
    questionOf: (asked) => asked,
    decide: (asker, asked) => search.resources(asker, asked),
  });
}
