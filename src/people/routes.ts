import { z } from 'zod';
import { rfc3339 } from '../clock.js';
import { grantee, originOf } from '../http/request.js';
import type { App } from '../http/route.js';
import { presentPerson } from '../representations.js';
import { pageOf, pageQuery, placeIn, spanOf, uuidForm } from '../api/paging.js';
import * as schema from './schema.js';
import type { Link, PersonService } from './service.js';

const tags = ['people'];

/** The routes of `/v1/people`. */
export function personRoutes(service: PersonService) {
  return async (app: App) => {
    app.post(
      '/v1/people',
      {
        config: { access: 'people:write', stepUp: true },
        schema: {
          operationId: 'createPerson',
          summary: 'Invite a person; the link is shown once',
          tags,
          body: schema.newPerson,
          response: { 201: schema.invited },
        },
      },
      async (request, reply) => {
        const { person, ...link } = await service.create(grantee(request), request.body, originOf(request));
        return reply.code(201).send({ person: presentPerson(person), ...presentLink(link) });
      },
    );

    app.get(
      '/v1/people',
      {
        config: { access: 'people:read' },
        schema: {
          operationId: 'listPeople',
          summary: 'List people',
          tags,
          querystring: pageQuery,
          response: { 200: schema.personPage },
        },
      },
      async (request) => {
        const { account } = grantee(request);
        const place = placeIn(`people ${account}`, request.query);
        const { after, limit } = spanOf(place, uuidForm);
        return pageOf(await service.list(account, after, limit), place, ({ id }) => id, presentPerson);
      },
    );

    app.get(
      '/v1/people/:id',
      {
        config: { access: 'people:read' },
        schema: {
          operationId: 'getPerson',
          summary: 'Read a person',
          tags,
          params: schema.personParams,
          response: { 200: schema.person },
        },
      },
      async (request) => presentPerson(await service.get(grantee(request).account, request.params.id)),
    );

    app.patch(
      '/v1/people/:id',
      {
        config: { access: 'people:write', stepUp: true },
        schema: {
          operationId: 'updatePerson',
          summary: 'Change a person; their sessions are judged again at once',
          tags,
          params: schema.personParams,
          body: schema.personChange,
          response: { 200: schema.person },
        },
      },
      async (request) => {
        const { params, body } = request;
        return presentPerson(await service.update(grantee(request), params.id, body, originOf(request)));
      },
    );

    app.delete(
      '/v1/people/:id',
      {
        config: { access: 'people:write', stepUp: true },
        schema: {
          operationId: 'deletePerson',
          summary: 'Delete a person; their sessions end at once',
          tags,
          params: schema.personParams,
          response: { 204: z.null() },
        },
      },
      async (request, reply) => {
        await service.delete(grantee(request), request.params.id, originOf(request));
        return reply.code(204).send(null);
      },
    );

    app.post(
      '/v1/people/:id/link',
      {
        config: { access: 'people:write', stepUp: true },
        schema: {
          operationId: 'createPersonLink',
          summary: 'Another link for a person: what they sign in with through it takes the place of what they had',
          tags,
          params: schema.personParams,
          response: { 201: schema.newLink },
        },
      },
      async (request, reply) => {
        const link = await service.renewLink(grantee(request), request.params.id, originOf(request));
        return reply.code(201).send(presentLink(link));
      },
    );
  };
}

function presentLink({ link, expiresAt, mailed }: Link) {
  return { link, expiresAt: rfc3339(expiresAt), ...(mailed === undefined ? {} : { mailed }) };
}
