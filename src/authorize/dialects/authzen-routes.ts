import type { FastifyReply, FastifyRequest } from 'fastify';
import { validatorCompiler } from 'fastify-type-provider-zod';
import { DomainError } from '../../errors.js';
import { grantee } from '../../http/request.js';
import type { App } from '../../http/route.js';
import { decisionHeader } from '../reply.js';
import { answerTo, complete, type AuthzenEvaluations } from './authzen-evaluations.js';
import * as schema from './authzen-schema.js';
import { authzenSearchRoutes } from './authzen-search-routes.js';
import type { AuthzenSearch } from './authzen-search.js';

const tags = ['proxies'];
const mostBytes = { one: 512 * 1024, several: 4 * 1024 * 1024 };
const configurationMaxAge = 3600;

type Deps = { evaluations: AuthzenEvaluations; search: AuthzenSearch; publicUrl: string };

/** AuthZEN Authorization API 1.0: the same decisions for whoever speaks it. */
export function authzenRoutes({ evaluations, search, publicUrl }: Deps) {
  const answerOne = async (request: FastifyRequest, reply: FastifyReply, asked: schema.Evaluation) => {
    const verdict = await evaluations.one(grantee(request), asked);
    void reply.header(...decisionHeader(verdict));
    return answerTo(verdict);
  };

  return async (app: App) => {
    app.addHook('onRequest', async (request) => requireJson(request));
    await app.register(authzenSearchRoutes(search));

    app.get(
      '/.well-known/authzen-configuration',
      {
        config: { access: 'public' },
        schema: { summary: 'Where the AuthZEN endpoints are', tags, response: { 200: schema.configuration } },
      },
      async (_request, reply) => {
        void reply.header('cache-control', `public, max-age=${configurationMaxAge}`);
        return {
          policy_decision_point: publicUrl,
          access_evaluation_endpoint: `${publicUrl}/access/v1/evaluation`,
          access_evaluations_endpoint: `${publicUrl}/access/v1/evaluations`,
          search_subject_endpoint: `${publicUrl}/access/v1/search/subject`,
          search_action_endpoint: `${publicUrl}/access/v1/search/action`,
          search_resource_endpoint: `${publicUrl}/access/v1/search/resource`,
        };
      },
    );

    app.post(
      '/access/v1/evaluation',
      {
        config: { access: 'authorize:query', cost: 'free' },
        bodyLimit: mostBytes.one,
        schema: {
          summary: 'AuthZEN: one evaluation',
          description: 'A deny is 200 too: read `decision`, or the header `thingward-decision`.',
          tags,
          body: schema.evaluation,
          response: { 200: schema.evaluationAnswer },
        },
      },
      async (request, reply) => answerOne(request, reply, request.body),
    );

    app.post(
      '/access/v1/evaluations',
      {
        config: { access: 'authorize:query', cost: 'free', load: 'batch' },
        bodyLimit: mostBytes.several,
        // One that is incomplete is for its own answer to say: here it breaks nothing.
        validatorCompiler: (route) => validatorCompiler({ ...route, schema: schema.evaluationsAsRead }),
        schema: {
          summary: 'AuthZEN: several evaluations',
          tags,
          body: schema.evaluations,
          response: { 200: schema.evaluationsAnswer },
        },
      },
      async (request, reply) => {
        const { evaluations: several = [], ...shared } = request.body as schema.Evaluations;
        if (several.length > 0) return { evaluations: await evaluations.all(grantee(request), request.body) };
        const asked = complete(shared, {});
        if (asked instanceof DomainError) throw asked;
        return answerOne(request, reply, asked);
      },
    );
  };
}

/** AuthZEN knows 400 where HTTP has 415. @throws DomainError `invalid-request` */
function requireJson({ method, headers }: FastifyRequest): void {
  if (method !== 'POST') return;
  const type = (headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
  if (type === 'application/json') return;
  throw new DomainError('invalid-request', 'content-type: send the question as application/json');
}
