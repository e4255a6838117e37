import type { z } from 'zod';
import { rfc3339 } from '../clock.js';
import type { ThingCaller } from '../access/caller.js';
import { grantee, originOf, thingCaller } from '../http/request.js';
import { presentSession, presentThing } from '../representations.js';
import type { App } from '../http/route.js';
import { thingTag } from '../registry.js';
import { placeIn, timeForm, totalOf, uuidForm } from '../api/paging.js';
import { thingNameForm, type inAws } from '../shapes.js';
import * as schema from './schema.js';
import type { ThingService } from './service.js';

const tags = ['things'];

type Thing = Awaited<ReturnType<ThingService['get']>>;

/** How things stand in AWS, by their ids. */
type InAws = (account: string, things: Thing[]) => Promise<Map<string, z.output<typeof inAws>>>;

/** The live sessions of a thing. */
type SessionsOf = (account: string, thingName: string) => Promise<Parameters<typeof presentSession>[0][]>;

/** The routes of `/v1/things`. */
export function thingRoutes(service: ThingService, inAwsOf: InAws, sessionsOf: SessionsOf) {
  const presentAll = async (things: Thing[]): Promise<z.output<typeof schema.fullThing>[]> => {
    const inAws = things[0] ? await inAwsOf(things[0].account, things) : undefined;
    return things.map((thing) => {
      const aws = inAws?.get(thing.id);
      return { ...present(thing), ...(aws ? { aws } : {}) };
    });
  };
  const presentOne = async (thing: Thing) => (await presentAll([thing]))[0]!;

  return async (app: App) => {
    app.get(
      '/v1/things',
      {
        config: { access: 'things:read' },
        schema: {
          operationId: 'listThings',
          summary: 'List things',
          description: 'A page may be short or empty while there is more: continue until `nextCursor` is absent.',
          tags,
          querystring: schema.thingQuery,
          response: { 200: schema.thingPage },
        },
      },
      async (request) => {
        const { query } = request;
        const { account } = grantee(request);
        const place = placeIn(`things ${account}`, query);
        const { limit, descending } = place;
        const by = query.sort.endsWith('createdAt') ? 'createdAt' : 'name';
        const after = place.after(...(by === 'name' ? [thingNameForm] : [timeForm, uuidForm]));
        const { things, next } = await service.list(account, query, { by, after, descending, limit });
        return {
          items: await presentAll(things),
          ...(next ? { nextCursor: place.cursorAt(next) } : {}),
          ...(await totalOf(query, (most) => service.count(account, query, most))),
        };
      },
    );

    app.get(
      '/v1/things/:name',
      {
        config: { access: 'things:read' },
        schema: {
          operationId: 'getThing',
          summary: 'Read a thing',
          tags,
          params: schema.thingParams,
          response: { 200: schema.oneThing },
        },
      },
      async (request, reply) => {
        const { account } = grantee(request);
        const thing = await service.get(account, request.params.name);
        void reply.header('etag', thingTag(thing));
        const sessions = await sessionsOf(account, thing.name);
        return { ...(await presentOne(thing)), sessions: sessions.map(presentSession) };
      },
    );

    app.patch(
      '/v1/things/:name',
      {
        config: { access: 'things:write', conditional: true },
        schema: {
          operationId: 'updateThing',
          summary: 'Change attributes (merge patch)',
          tags,
          params: schema.thingParams,
          body: schema.thingPatch,
          response: { 200: schema.fullThing },
        },
      },
      async (request, reply) => {
        const { account } = grantee(request);
        const { attributes } = request.body;
        const thing = await service.patchAttributes(account, request.params.name, attributes, originOf(request));
        void reply.header('etag', thingTag(thing));
        return presentOne(thing);
      },
    );

    app.put(
      '/v1/things/:name/policies',
      {
        config: { access: 'policies:attach', conditional: true },
        schema: {
          operationId: 'setThingPolicies',
          summary: 'Replace the policies of a thing',
          tags,
          params: schema.thingParams,
          body: schema.thingPolicies,
          response: { 200: schema.fullThing },
        },
      },
      async (request, reply) => {
        const { account } = grantee(request);
        const { policies } = request.body;
        const thing = await service.setPolicies(account, request.params.name, policies, originOf(request));
        void reply.header('etag', thingTag(thing));
        return presentOne(thing);
      },
    );

    app.post(
      '/v1/things/:name/reenroll',
      {
        config: { access: 'things:write', needs: ['certificates:revoke'] },
        schema: {
          operationId: 'reenrollThing',
          summary: 'A one-use enrollment for a device that lost its key, or whose thing was revoked or deleted',
          description:
            'Needs certificates:revoke too; for a revoked or deleted thing also certificates:release. Until the new certificate is first used, no older one renews; then everything that does not descend from it is revoked. A revoked or deleted thing returns as a new thing with a new id.',
          tags,
          params: schema.thingParams,
          body: schema.reenrollRequest,
          response: { 201: schema.reenrollment },
        },
      },
      async (request, reply) => {
        const caller = grantee(request);
        const order = {
          reason: request.body?.reason,
          mayBringBack: caller.permissions.has('certificates:release'),
        };
        const opened = await service.reenroll(caller.account, request.params.name, order, originOf(request));
        const { id, token, expiresAt, refusedByNameUntil } = opened;
        return reply
          .code(201)
          .header('cache-control', 'no-store')
          .send({
            enrollment: id,
            token,
            expiresAt: rfc3339(expiresAt),
            ...(refusedByNameUntil ? { refusedByNameUntil: rfc3339(refusedByNameUntil) } : {}),
          });
      },
    );
  };
}

/** `GET /v1/self`: what a device may know about itself. */
export function selfRoutes(describe: (caller: ThingCaller) => Promise<z.output<typeof schema.self>>) {
  return async (app: App) => {
    app.get(
      '/v1/self',
      {
        config: { access: 'thing' },
        schema: {
          operationId: 'getSelf',
          summary: 'What the registry knows of the calling device; reading it is never a first use',
          tags: ['agents'],
          response: { 200: schema.self },
        },
      },
      async (request) => describe(thingCaller(request)),
    );
  };
}

function present({
  enrollmentId,
  lastSeenAt,
  deletedAt,
  nameFreeAt,
  ...thing
}: Thing): z.output<typeof schema.fullThing> {
  return {
    ...presentThing(thing),
    ...(deletedAt && nameFreeAt
      ? { status: 'deleted' as const, deletedAt: rfc3339(deletedAt), nameFreeAt: rfc3339(nameFreeAt) }
      : {}),
    policies: thing.policies,
    enrollment: enrollmentId,
    ...(thing.segment === null ? {} : { segment: thing.segment }),
    ...(lastSeenAt === null ? {} : { lastSeenAt: rfc3339(lastSeenAt) }),
  };
}
