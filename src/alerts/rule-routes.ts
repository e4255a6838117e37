import { z } from 'zod';
import { pageOf, pageQuery, placeIn, spanOf, uuidForm } from '../api/paging.js';
import { rfc3339 } from '../clock.js';
import { grantee, originOf } from '../http/request.js';
import type { App } from '../http/route.js';
import * as schema from './schema.js';
import { ruleTag, type AlertService } from './service.js';

const tags = ['monitoring'];
const params = schema.ruleParams;

/** The routes of `/v1/alerts/rules`. */
export function ruleRoutes(service: AlertService) {
  return async (app: App) => {
    app.post(
      '/v1/alerts/rules',
      {
        config: { access: 'alerts:write', needs: ['metrics:read'] },
        schema: {
          operationId: 'createAlertRule',
          summary: 'Have somebody told when a figure is as it should not be',
          tags,
          body: schema.newRule,
          response: { 201: schema.alertRule },
        },
      },
      async (request, reply) => {
        const rule = await service.createRule(grantee(request), request.body, originOf(request));
        void reply.header('etag', ruleTag(rule));
        return reply.code(201).send(present(rule));
      },
    );

    app.get(
      '/v1/alerts/rules',
      {
        config: { access: 'alerts:read' },
        schema: {
          operationId: 'listAlertRules',
          summary: 'List alert rules, with those that every account has',
          tags,
          querystring: pageQuery,
          response: { 200: schema.rulePage },
        },
      },
      async (request) => {
        const { account } = grantee(request);
        const place = placeIn(`alert rules ${account}`, request.query);
        return pageOf(await service.listRules(account, spanOf(place, uuidForm)), place, ({ id }) => id, present);
      },
    );

    app.get(
      '/v1/alerts/rules/:id',
      {
        config: { access: 'alerts:read' },
        schema: {
          operationId: 'getAlertRule',
          summary: 'Read an alert rule',
          tags,
          params,
          response: { 200: schema.alertRule },
        },
      },
      async (request, reply) => {
        const rule = await service.getRule(grantee(request).account, request.params.id);
        void reply.header('etag', ruleTag(rule));
        return present(rule);
      },
    );

    app.patch(
      '/v1/alerts/rules/:id',
      {
        config: { access: 'alerts:write', needs: ['metrics:read'], conditional: true },
        schema: {
          operationId: 'updateAlertRule',
          summary: 'Change an alert rule, or switch it off (merge patch)',
          tags,
          params,
          body: schema.rulePatch,
          response: { 200: schema.alertRule },
        },
      },
      async (request, reply) => {
        const { params: of, body } = request;
        const rule = await service.updateRule(grantee(request), of.id, body, originOf(request));
        void reply.header('etag', ruleTag(rule));
        return present(rule);
      },
    );

    app.delete(
      '/v1/alerts/rules/:id',
      {
        config: { access: 'alerts:write', conditional: true },
        schema: {
          operationId: 'deleteAlertRule',
          summary: 'Delete an alert rule that the account made; its alert is resolved',
          tags,
          params,
          response: { 204: z.null() },
        },
      },
      async (request, reply) => {
        await service.deleteRule(grantee(request), request.params.id, originOf(request));
        return reply.code(204).send(null);
      },
    );
  };
}

type Rule = Awaited<ReturnType<AlertService['getRule']>>;

function present({ account: _, builtIn, createdAt, ...rule }: Rule): z.output<typeof schema.alertRule> {
  return { ...rule, ...(builtIn === null ? {} : { builtIn }), createdAt: rfc3339(createdAt) };
}
