import type { FastifyReply, FastifyRequest, FastifySchema, FastifySchemaCompiler } from 'fastify';
import { validatorCompiler } from 'fastify-type-provider-zod';
import type { z } from 'zod';
import type { Grantee } from '../../access/grantee.js';
import type { Permission } from '../../access/permissions.js';
import type { DomainError } from '../../errors.js';
import { problemOf, readFailure } from '../../http/problems.js';
import type { Cost } from '../../http/rate-limiter.js';
import { grantee } from '../../http/request.js';
import type { App } from '../../http/route.js';
import type { Load } from '../../http/turns.js';
import { denialOf } from '../reply.js';

/** What goes out. Status 200 unless it says otherwise; an object is JSON, a text is sent as it is. */
export type Answer = { status?: number; headers?: Record<string, string>; body: unknown };

/** A failure as a problem document, with the status that the asker takes for a no. */
export function refusalOf(failure: DomainError, request: FastifyRequest, status = 403): Answer {
  const { body } = problemOf(failure, request);
  return { status, headers: refusalHeaders, body: { ...body, status } };
}

const refusalHeaders = { 'content-type': 'application/problem+json', 'cache-control': 'no-store' };

/** How a broker or proxy asks, and how it reads answers. */
type Dialect<Body extends z.ZodType, Asked, Decided> = {
  url: string;
  method?: string | string[];
  access: Permission;
  needs?: Permission[];
  cost?: Cost;
  load?: Load;
  bodyLimit?: number;
  /** What goes out where it is no JSON, for the documentation. */
  sends?: { type: string; about: string };
  schema: Omit<FastifySchema, 'body'>;
  /** How the body is read. */
  body?: Body;
  /** How it is documented, where that says more. */
  documented?: z.ZodType;
  /** What is asked, in words of Thingward. @throws DomainError where nothing can be made of it */
  questionOf(body: z.output<Body>, request: FastifyRequest): Asked;
  /** The decision about it. @throws DomainError for example `not-ready` */
  decide(asker: Grantee, asked: Asked): Decided | Promise<Decided>;
  /** The decision in the asker's words. */
  answerOf(decided: Decided): Answer;
  /**
   * The asker's word for no, whatever went wrong: a body that cannot be read, an unknown key, a missing permission, a rate
   * limit, no lease, a bug. HAZARD: some brokers take a status that they do not know for "ask the next", and then allow.
   */
  failureOf(failure: DomainError, request: FastifyRequest): Answer;
};

/** Mounts one route of a dialect, whose every failure is the dialect's own. */
export function mountDialect<Body extends z.ZodType, Asked, Decided>(
  app: App,
  dialect: Dialect<Body, Asked, Decided>,
): void {
  const {
    url,
    method = 'POST',
    access,
    needs = [],
    cost = 'free',
    load,
    bodyLimit,
    sends,
    schema,
    body,
    documented,
  } = dialect;
  const { questionOf, decide, answerOf, failureOf } = dialect;
  const send = (reply: FastifyReply, decided: Decided): void => {
    reply.request.denial = denialOf(decided);
    const { status = 200, headers = {}, body } = answerOf(decided);
    void reply.code(status).headers(headers).send(body);
  };
  app.route({
    url,
    method,
    config: {
      access,
      needs,
      cost,
      makesNothing: true,
      ...(load === undefined ? {} : { load }),
      ...(sends === undefined ? {} : { sends }),
    },
    ...(bodyLimit === undefined ? {} : { bodyLimit }),
    schema: { ...schema, ...(body === undefined ? {} : { body: documented ?? body }) },
    ...(documented === undefined ? {} : { validatorCompiler: reading(body) }),
    // Not async: most decisions are made at once.
    handler(request, reply) {
      const decided = decide(grantee(request), questionOf(request.body as z.output<Body>, request));
      return decided instanceof Promise ? decided.then((late) => send(reply, late)) : send(reply, decided);
    },
    errorHandler(error, request, reply) {
      const { status = 200, headers = {}, body } = failureOf(readFailure(error, request), request);
      const isText = typeof body === 'string';
      void reply
        .code(status)
        .type(isText ? 'text/plain; charset=utf-8' : 'application/json; charset=utf-8')
        .headers(headers)
        // The schemas of answers do not know it.
        .serializer(isText ? String : JSON.stringify)
        .send(body);
    },
  });
}

/** Reads bodies by another schema than the one that documents them. */
const reading =
  (body: z.ZodType | undefined): FastifySchemaCompiler<unknown> =>
  (part) =>
    validatorCompiler({ ...part, schema: part.httpPart === 'body' && body ? body : (part.schema as z.ZodType) });
