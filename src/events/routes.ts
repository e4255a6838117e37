import { z } from 'zod';
import { numberForm, pageOf, placeIn, spanOf, uuidForm } from '../api/paging.js';
import { rfc3339 } from '../clock.js';
import type { Receiver } from '../deliveries/receiver.js';
import { grantee, originOf } from '../http/request.js';
import type { App } from '../http/route.js';
import * as schema from './schema.js';
import { webhookTag, type WebhookService } from './service.js';

const tags = ['monitoring'];
const writing = { access: 'webhooks:write', stepUp: true } as const;

/** The routes of `/v1/webhooks`. */
export function webhookRoutes(service: WebhookService) {
  return async (app: App) => {
    app.post(
      '/v1/webhooks',
      {
        config: writing,
        schema: {
          operationId: 'createWebhook',
          summary: 'Have events told to a URL; the secret is shown once',
          description:
            'Events are CloudEvents 1.0 in JSON, signed as Standard Webhooks, told at least once and for each thing in order.',
          tags,
          body: schema.newWebhook,
          response: { 201: schema.madeWebhook },
        },
      },
      async (request, reply) => {
        const { webhook, secret } = await service.create(grantee(request), request.body, originOf(request));
        void reply.header('etag', webhookTag(webhook));
        return reply.code(201).send({ ...present(webhook), secret });
      },
    );

    app.get(
      '/v1/webhooks',
      {
        config: { access: 'webhooks:read' },
        schema: {
          operationId: 'listWebhooks',
          summary: 'List webhooks',
          tags,
          querystring: schema.webhookQuery,
          response: { 200: schema.webhookPage },
        },
      },
      async (request) => {
        const { account } = grantee(request);
        const place = placeIn(`webhooks ${account}`, request.query);
        return pageOf(await service.list(account, spanOf(place, uuidForm)), place, ({ id }) => id, present);
      },
    );

    app.get(
      '/v1/webhooks/:id',
      {
        config: { access: 'webhooks:read' },
        schema: {
          operationId: 'getWebhook',
          summary: 'Read a webhook',
          tags,
          params: schema.webhookParams,
          response: { 200: schema.webhook },
        },
      },
      async (request, reply) => {
        const webhook = await service.get(grantee(request).account, request.params.id);
        void reply.header('etag', webhookTag(webhook));
        return present(webhook);
      },
    );

    app.patch(
      '/v1/webhooks/:id',
      {
        config: { ...writing, conditional: true },
        schema: {
          operationId: 'updateWebhook',
          summary: 'Change a webhook (merge patch); what waits for it goes to where it is then',
          tags,
          params: schema.webhookParams,
          body: schema.webhookPatch,
          response: { 200: schema.webhook },
        },
      },
      async (request, reply) => {
        const { params, body } = request;
        const webhook = await service.update(grantee(request), params.id, body, originOf(request));
        void reply.header('etag', webhookTag(webhook));
        return present(webhook);
      },
    );

    app.delete(
      '/v1/webhooks/:id',
      {
        config: { ...writing, conditional: true },
        schema: {
          operationId: 'deleteWebhook',
          summary: 'Delete a webhook, with what waits for it',
          tags,
          params: schema.webhookParams,
          response: { 204: z.null() },
        },
      },
      async (request, reply) => {
        await service.delete(grantee(request), request.params.id, originOf(request));
        return reply.code(204).send(null);
      },
    );
    deliveryRoutes(app, service);
  };
}

function deliveryRoutes(app: App, service: WebhookService): void {
  app.get(
    '/v1/webhooks/:id/deliveries',
    {
      config: { access: 'webhooks:read' },
      schema: {
        operationId: 'listDeliveries',
        summary: 'What became of the events of a webhook, newest first',
        tags,
        params: schema.webhookParams,
        querystring: schema.deliveryQuery,
        response: { 200: schema.deliveryPage },
      },
    },
    async (request) => {
      const { params, query } = request;
      const place = placeIn(`deliveries ${params.id}`, query);
      const { after, limit } = spanOf(place, numberForm);
      const rows = await service.deliveries(grantee(request), params.id, query.status, after, limit);
      return pageOf(rows, place, ({ id }) => String(id), presentDelivery);
    },
  );

  app.post(
    '/v1/webhooks/:id/deliveries/:delivery/retry',
    {
      config: { access: 'webhooks:write' },
      schema: {
        operationId: 'retryDelivery',
        summary: 'Have a parked event told again, for another 24 hours; what came later was told before it',
        tags,
        params: schema.deliveryParams,
        response: { 200: schema.delivery },
      },
    },
    async (request) => {
      const { id, delivery } = request.params;
      return presentDelivery(await service.retry(grantee(request), id, delivery, originOf(request)));
    },
  );
}

function present({ id, url, types, name, enabled, createdAt, createdBy, fullSince }: Receiver) {
  return {
    id,
    url: url!,
    types,
    description: name,
    enabled,
    createdAt: rfc3339(createdAt),
    createdBy,
    ...(fullSince ? { fullSince: rfc3339(fullSince) } : {}),
  };
}

type Row = Awaited<ReturnType<WebhookService['deliveries']>>[number];

function presentDelivery(row: Row): z.output<typeof schema.delivery> {
  const { id, messageId, type, subject, status, attempts, at, attemptedAt, nextAt, answerStatus, answer } = row;
  return {
    id: String(id),
    event: messageId,
    type,
    subject,
    status: status as 'pending',
    attempts,
    at: rfc3339(at),
    ...(attemptedAt ? { attemptedAt: rfc3339(attemptedAt) } : {}),
    ...(status === 'pending' ? { nextAttemptAt: rfc3339(nextAt) } : {}),
    ...(answerStatus === null ? {} : { answerStatus }),
    ...(answer === null ? {} : { answer }),
  };
}
