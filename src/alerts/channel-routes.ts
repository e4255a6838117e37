import { z } from 'zod';
import { pageOf, pageQuery, placeIn, spanOf, uuidForm } from '../api/paging.js';
import { rfc3339 } from '../clock.js';
import type { Receiver } from '../deliveries/receiver.js';
import { grantee, originOf } from '../http/request.js';
import type { App } from '../http/route.js';
import { channelTag, shownUrl, type Channels } from './channels.js';
import * as schema from './schema.js';

const tags = ['monitoring'];
const writing = { access: 'alerts:write', needs: ['alerts:read'], stepUp: true } as const;
const params = schema.channelParams;

/** The routes of `/v1/alerts/channels`. */
export function channelRoutes(channels: Channels) {
  return async (app: App) => {
    app.post(
      '/v1/alerts/channels',
      {
        config: { ...writing, needs: [...writing.needs] },
        schema: {
          operationId: 'createAlertChannel',
          summary: 'Make a channel that alerts can be told to; the secret of a webhook is shown once',
          tags,
          body: schema.newChannel,
          response: { 201: schema.madeChannel },
        },
      },
      async (request, reply) => {
        const { channel, secret } = await channels.create(grantee(request), request.body, originOf(request));
        void reply.header('etag', channelTag(channel));
        return reply.code(201).send({ ...present(channel), ...(secret === undefined ? {} : { secret }) });
      },
    );

    app.get(
      '/v1/alerts/channels',
      {
        config: { access: 'alerts:read' },
        schema: {
          operationId: 'listAlertChannels',
          summary: 'List channels',
          tags,
          querystring: pageQuery,
          response: { 200: schema.channelPage },
        },
      },
      async (request) => {
        const { account } = grantee(request);
        const place = placeIn(`channels ${account}`, request.query);
        return pageOf(await channels.list(account, spanOf(place, uuidForm)), place, ({ id }) => id, present);
      },
    );

    app.get(
      '/v1/alerts/channels/:id',
      {
        config: { access: 'alerts:read' },
        schema: {
          operationId: 'getAlertChannel',
          summary: 'Read a channel',
          tags,
          params,
          response: { 200: schema.channel },
        },
      },
      async (request, reply) => {
        const channel = await channels.get(grantee(request).account, request.params.id);
        void reply.header('etag', channelTag(channel));
        return present(channel);
      },
    );

    app.patch(
      '/v1/alerts/channels/:id',
      {
        config: { ...writing, needs: [...writing.needs], conditional: true },
        schema: {
          operationId: 'updateAlertChannel',
          summary: 'Change a channel (merge patch)',
          tags,
          params,
          body: schema.channelPatch,
          response: { 200: schema.channel },
        },
      },
      async (request, reply) => {
        const { params: of, body } = request;
        const channel = await channels.update(grantee(request), of.id, body, originOf(request));
        void reply.header('etag', channelTag(channel));
        return present(channel);
      },
    );

    app.delete(
      '/v1/alerts/channels/:id',
      {
        config: { access: 'alerts:write', stepUp: true, conditional: true },
        schema: {
          operationId: 'deleteAlertChannel',
          summary: 'Delete a channel; no rule tells it after that',
          tags,
          params,
          response: { 204: z.null() },
        },
      },
      async (request, reply) => {
        await channels.delete(grantee(request), request.params.id, originOf(request));
        return reply.code(204).send(null);
      },
    );

    app.post(
      '/v1/alerts/channels/:id/test',
      {
        config: { access: 'alerts:write', cost: 'heavy', makesNothing: true },
        schema: {
          operationId: 'testAlertChannel',
          summary: 'Tell a channel something now, and read what it answered',
          tags,
          params,
          response: { 200: schema.testResult },
        },
      },
      async (request) => {
        const outcome = await channels.test(grantee(request), request.params.id, originOf(request));
        const { delivered, status, answer } = outcome;
        return { delivered, ...(status === undefined ? {} : { status }), answer };
      },
    );
  };
}

function present(channel: Receiver): z.output<typeof schema.channel> {
  const { id, name, kind, recipients, enabled, createdAt, createdBy } = channel;
  const url = shownUrl(channel);
  return {
    id,
    name,
    type: kind as 'webhook',
    ...(url === undefined ? { to: recipients } : { url }),
    enabled,
    createdAt: rfc3339(createdAt),
    createdBy,
  };
}
