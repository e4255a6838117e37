import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { DomainError } from '../errors.js';
import { keyCaller, type KeyCaller } from '../http/callers.js';
import type { App } from '../http/route.js';
import * as schema from './schema.js';
import type { AuthorizeService, Verdict } from './service.js';

const tags = ['proxies'];

type Evaluation = z.output<typeof schema.evaluation>;
type Evaluations = z.output<typeof schema.evaluations>;
type EvaluationAnswer = z.output<typeof schema.evaluationAnswer>;

/** An evaluation that may lack what all of a request share. */
type Incomplete = { [Member in 'subject' | 'action' | 'resource' | 'context']?: Evaluation[Member] | undefined };

type Deps = { service: AuthorizeService; publicUrl: string };

/** AuthZEN Authorization API 1.0: the same decisions for whoever speaks it. */
export function authzenRoutes({ service, publicUrl }: Deps) {
  const evaluate = async (
    caller: KeyCaller,
    { subject, action, resource, context }: Evaluation,
  ): Promise<EvaluationAnswer> => {
    if (subject.type !== 'thing') return denied('unknown-principal');
    if (!/^[A-Za-z0-9:_-]{1,128}$/.test(subject.id)) return denied('unknown-principal');
    const verdict = await service.authorize(caller, {
      principal: { thingName: subject.id },
      action: action.name,
      resource: `${resource.type}:${resource.id}`,
      context: readContext(context),
    });
    return {
      decision: verdict.allowed,
      context: { reasons: [reasonOf(verdict)], validUntil: new Date(verdict.validUntil).toISOString() },
    };
  };

  const evaluateAll = async (caller: KeyCaller, { evaluations, options, ...defaults }: Evaluations) => {
    const semantic = options?.evaluations_semantic ?? 'execute_all';
    const answers: EvaluationAnswer[] = [];
    for (const each of evaluations ?? []) {
      const answer = await evaluate(caller, complete({ ...defaults, ...each }));
      answers.push(answer);
      if (semantic === 'deny_on_first_deny' && !answer.decision) break;
      if (semantic === 'permit_on_first_permit' && answer.decision) break;
    }
    return answers;
  };

  return async (app: App) => {
    app.addHook('onRequest', async (request, reply) => echoRequestId(request, reply));

    app.get(
      '/.well-known/authzen-configuration',
      {
        config: { access: 'public' },
        schema: { summary: 'Where the AuthZEN endpoints are', tags, response: { 200: schema.authzenConfiguration } },
      },
      async () => ({
        policy_decision_point: publicUrl,
        access_evaluation_endpoint: `${publicUrl}/access/v1/evaluation`,
        access_evaluations_endpoint: `${publicUrl}/access/v1/evaluations`,
      }),
    );

    app.post(
      '/access/v1/evaluation',
      {
        config: { access: 'authorize:query', cost: 'free' },
        schema: {
          summary: 'AuthZEN: one evaluation',
          tags,
          body: schema.evaluation,
          response: { 200: schema.evaluationAnswer },
        },
      },
      async (request) => evaluate(keyCaller(request), request.body),
    );

    app.post(
      '/access/v1/evaluations',
      {
        config: { access: 'authorize:query', cost: 'free' },
        bodyLimit: 4 * 1024 * 1024,
        schema: {
          summary: 'AuthZEN: several evaluations',
          tags,
          body: schema.evaluations,
          response: { 200: schema.evaluationsAnswer },
        },
      },
      async (request) => {
        const { evaluations } = request.body;
        if (!evaluations || evaluations.length === 0) return evaluate(keyCaller(request), complete(request.body));
        return { evaluations: await evaluateAll(keyCaller(request), request.body) };
      },
    );
  };
}

/** A request's own id goes back with the answer. */
function echoRequestId(request: FastifyRequest, reply: FastifyReply): void {
  const id = request.headers['x-request-id'];
  if (typeof id === 'string' && /^[!-~]{1,128}$/.test(id)) void reply.header('x-request-id', id);
}

function complete({ subject, action, resource, context }: Incomplete): Evaluation {
  if (!subject || !action || !resource)
    throw new DomainError(
      'invalid-request',
      'an evaluation needs subject, action and resource, its own or the ones that all share',
    );
  return { subject, action, resource, ...(context === undefined ? {} : { context }) };
}

/** What of a context is ours; anything else is ignored, and what has the wrong type counts as absent. */
function readContext(context: Record<string, unknown> = {}) {
  const text = (name: string) => (typeof context[name] === 'string' ? { [name]: context[name] } : {});
  return {
    ...text('sourceIp'),
    ...text('protocol'),
    ...text('clientId'),
    ...(typeof context['retain'] === 'boolean' ? { retain: context['retain'] } : {}),
    ...(typeof context['qos'] === 'number' ? { qos: context['qos'] } : {}),
  };
}

function reasonOf({ statement, refusal }: Verdict): string {
  return statement?.id ?? refusal!;
}

function denied(reason: string): EvaluationAnswer {
  return { decision: false, context: { reasons: [reason] } };
}
