import type { z } from 'zod';
import { rfc3339 } from '../clock.js';
import { grantee, originOf } from '../http/request.js';
import type { App } from '../http/route.js';
import * as schema from './schema.js';
import type { AwsService } from './service.js';

const tags = ['aws'];

/** The routes of `/v1/aws` and of what a thing is in AWS. */
export function awsRoutes(service: AwsService) {
  const present = async (account: string): Promise<z.output<typeof schema.mirrorView>> => {
    const { mirror, queue } = await service.view(account);
    if (!mirror) return { mode: 'off', externalId: account };
    const { roleArn, endpoint, stsEndpoint, trouble, blockedUntil, reconciledAt, heldAt, ...settings } = mirror;
    return {
      ...settings,
      externalId: account,
      ...(settings.mode === 'off' ? {} : { held: heldAt !== null }),
      ...(roleArn === undefined ? {} : { roleArn }),
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(stsEndpoint === undefined ? {} : { stsEndpoint }),
      ...(queue
        ? {
            queue: {
              pending: queue.pending,
              failed: queue.failed,
              ...(queue.oldest ? { oldestPendingSince: rfc3339(queue.oldest) } : {}),
            },
          }
        : {}),
      ...(trouble ? { trouble: { ...trouble, ...(blockedUntil ? { retryAt: rfc3339(blockedUntil) } : {}) } } : {}),
      ...(reconciledAt ? { reconciledAt: rfc3339(reconciledAt) } : {}),
    };
  };

  return async (app: App) => {
    app.get(
      '/v1/aws',
      {
        config: { access: 'aws:write' },
        schema: {
          operationId: 'getAwsMirror',
          summary: 'The mirror in AWS IoT Core, and its state',
          tags,
          response: { 200: schema.mirrorView },
        },
      },
      async (request) => present(grantee(request).account),
    );

    app.put(
      '/v1/aws',
      {
        config: { access: 'aws:write' },
        schema: {
          operationId: 'setAwsMirror',
          summary: 'Switch the mirror on, off, or to other settings',
          tags,
          body: schema.mirrorChange,
          response: { 200: schema.mirrorView },
        },
      },
      async (request) => {
        const caller = grantee(request);
        const { body } = request;
        if (body.mode === 'off') await service.switchOff(caller.account, originOf(request));
        else await service.put(caller, body, originOf(request));
        return present(caller.account);
      },
    );

    app.post(
      '/v1/aws/retry',
      {
        config: { access: 'aws:write' },
        schema: {
          operationId: 'retryAwsMirror',
          summary: 'Retry everything that failed',
          tags,
          response: { 202: schema.retried },
        },
      },
      async (request, reply) => {
        const { account } = grantee(request);
        return reply.code(202).send({ retried: await service.retry(account, undefined, originOf(request)) });
      },
    );

    app.post(
      '/v1/things/:name/aws/retry',
      {
        config: { access: 'aws:write' },
        schema: {
          operationId: 'retryAwsThing',
          summary: 'Try one thing again',
          tags,
          params: schema.thingParams,
          response: { 202: schema.retried },
        },
      },
      async (request, reply) => {
        const { account } = grantee(request);
        const retried = await service.retry(account, request.params.name, originOf(request));
        return reply.code(202).send({ retried });
      },
    );

    app.get(
      '/v1/policies/:name/aws',
      {
        config: { access: 'policies:read' },
        schema: {
          operationId: 'getAwsPolicy',
          summary: 'What AWS IoT gets of a policy, and what it cannot express',
          tags,
          params: schema.policyParams,
          querystring: schema.policyQuery,
          response: { 200: schema.policyExport },
        },
      },
      async (request) => {
        const { params, query } = request;
        const exported = await service.exportPolicy(grantee(request).account, params.name, query.version);
        const { document } = exported;
        return { ...exported, ...(document ? { characters: JSON.stringify(document).length } : {}) };
      },
    );
  };
}
