import type { FastifyRequest } from 'fastify';
import { DomainError } from '../../errors.js';
import { problemOf } from '../../http/problems.js';
import type { App } from '../../http/route.js';
import type { Verdict } from '../judge.js';
import { decisionHeader } from '../reply.js';
import { answerTo, complete, type AuthzenEvaluations } from './authzen-evaluations.js';
import * as schema from './authzen-schema.js';
import { mountAuthzenSearch } from './authzen-search-routes.js';
import type { AuthzenSearch } from './authzen-search.js';
import { mountDialect, type Answer } from './dialect.js';

const tags = ['proxies'];
const mostBytes = { one: 512 * 1024, several: 4 * 1024 * 1024 };
const configurationMaxAge = 3600;

type Late<Value> = Value | Promise<Value>;

type Deps = { evaluations: AuthzenEvaluations; search: AuthzenSearch; publicUrl: string };

/** AuthZEN Authorization API 1.0: the same decisions for whoever speaks it. Its failures have statuses, and any body. */
export function authzenRoutes({ evaluations, search, publicUrl }: Deps) {
  return async (app: App) => {
    app.addHook('onRequest', async (request) => requireJson(request));
    mountAuthzenSearch(app, search);

    app.get(
      '/.well-known/authzen-configuration',
      {
        config: { access: 'public' },
        schema: {
          operationId: 'getAuthzenConfiguration',
          summary: 'Where the AuthZEN endpoints are',
          tags,
          response: { 200: schema.configuration },
        },
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

    mountDialect(app, {
      url: '/access/v1/evaluation',
      access: 'authorize:query',
      bodyLimit: mostBytes.one,
      schema: {
        operationId: 'evaluateAccess',
        summary: 'AuthZEN: one evaluation',
        description: 'A deny is 200 too: read `decision`, or the header `thingward-decision`.',
        tags,
        response: { 200: schema.evaluationAnswer },
      },
      body: schema.evaluation,
      questionOf: (asked) => asked,
      decide: (asker, asked) => evaluations.one(asker, asked),
      answerOf: answerOne,
      failureOf: problemOf,
    });

    mountDialect(app, {
      url: '/access/v1/evaluations',
      access: 'authorize:query',
      load: 'batch',
      bodyLimit: mostBytes.several,
      schema: {
        operationId: 'evaluateAccesses',
        summary: 'AuthZEN: several evaluations',
        tags,
        response: { 200: schema.evaluationsAnswer },
      },
      // One that is incomplete is for its own answer to say: here it breaks nothing.
      body: schema.evaluationsAsRead,
      documented: schema.evaluations,
      questionOf: (several) => (several.evaluations?.length ? { several } : { one: requireComplete(several) }),
      decide: (asker, { one, several }): Late<Verdict | schema.EvaluationAnswer[]> =>
        several ? evaluations.all(asker, several) : evaluations.one(asker, one),
      answerOf: (decided) => (Array.isArray(decided) ? { body: { evaluations: decided } } : answerOne(decided)),
      failureOf: problemOf,
    });
  };
}

function answerOne(verdict: Verdict): Answer {
  return { headers: Object.fromEntries([decisionHeader(verdict)]), body: answerTo(verdict) };
}

/** What is asked where there is no list: one evaluation. @throws DomainError `invalid-request` */
function requireComplete({ evaluations: _, ...shared }: schema.Evaluations): schema.Evaluation {
  const asked = complete(shared, {});
  if (asked instanceof DomainError) throw asked;
  return asked;
}

/** AuthZEN knows 400 where HTTP has 415. @throws DomainError `invalid-request` */
function requireJson({ method, headers }: FastifyRequest): void {
  if (method !== 'POST') return;
  const type = (headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
  if (type === 'application/json') return;
  throw new DomainError('invalid-request', 'content-type: send the question as application/json');
}
