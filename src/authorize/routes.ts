import type { FastifyReply } from 'fastify';
import { DomainError } from '../errors.js';
import type { Grantee } from '../access/grantee.js';
import { grantee } from '../http/request.js';
import type { App } from '../http/route.js';
import { compileSchema } from '../http/schema-compiler.js';
import { inSlicesOf } from '../slices.js';
import type { Verdict } from './judge.js';
import type { Question } from './question.js';
import { decisionHeader, denialOf, replyTo } from './reply.js';
import * as schema from './schema.js';
import { fewAtOnce, type AuthorizeService } from './service.js';

const tags = ['proxies'];
const json = 'application/json; charset=utf-8';
// A topic alone may have 65,535 bytes.
const questionBytes = 512 * 1024;
const batchBytes = 16 * 1024 * 1024;

type Deps = { service: AuthorizeService };

/** What proxies and brokers ask. */
export function authorizeRoutes({ service }: Deps) {
  const send = (reply: FastifyReply, verdict: Verdict, question: Question): void => {
    reply.request.denial = denialOf(verdict, question);
    void reply
      .header(...decisionHeader(verdict))
      .type(json)
      .send(replyTo(verdict));
  };

  const verdictsOf = (caller: Grantee, verdicts: (Verdict | Promise<Verdict>)[]): Verdict[] | Promise<Verdict[]> =>
    verdicts.some((verdict) => verdict instanceof Promise)
      ? Promise.all(
          verdicts.map((verdict) =>
            Promise.resolve(verdict).catch((error: unknown) => service.undecided(caller, error)),
          ),
        )
      : (verdicts as Verdict[]);

  /** One of many. A certificate that cannot be read affects its own answer alone; without a lease there is none at all. */
  const ask = (caller: Grantee, question: Question, now: number | undefined): Verdict | Promise<Verdict> => {
    try {
      return service.authorize(caller, question, now);
    } catch (error) {
      if (error instanceof DomainError && error.code === 'invalid-request') return service.undecided(caller, error);
      throw error;
    }
  };

  const sendBatch = (reply: FastifyReply, verdicts: Verdict[]): void => {
    let decisions = '';
    for (const verdict of verdicts) decisions += `${decisions === '' ? '' : ','}${replyTo(verdict)}`;
    void reply.type(json).send(`{"decisions":[${decisions}]}`);
  };

  return async (app: App) => {
    app.post(
      '/v1/authorize',
      {
        config: { access: 'authorize:query', cost: 'free' },
        validatorCompiler: compileSchema,
        bodyLimit: questionBytes,
        schema: {
          operationId: 'authorizeAction',
          summary: 'May this device do that now?',
          description: 'A deny is 200 too: read `decision`, or the header `thingward-decision` (allow or deny).',
          tags,
          body: schema.question,
          response: { 200: schema.answer },
        },
      },
      (request, reply) => {
        const verdict = service.authorize(grantee(request), request.body);
        if (verdict instanceof Promise) return verdict.then((late) => send(reply, late, request.body));
        send(reply, verdict, request.body);
        return undefined;
      },
    );

    app.post(
      '/v1/authorize/batch',
      {
        config: { access: 'authorize:query', cost: 'free', load: 'batch' },
        validatorCompiler: compileSchema,
        bodyLimit: batchBytes,
        schema: {
          operationId: 'authorizeActions',
          summary: 'The same, up to 1,000 at once',
          tags,
          body: schema.batch,
          response: { 200: schema.batchAnswer },
        },
      },
      async (request, reply) => {
        const caller = grantee(request);
        const { requests } = request.body;
        const verdicts: Verdict[] = [];
        await inSlicesOf(requests, fewAtOnce, async (some) => {
          let now: number | undefined;
          const asked = some.map((question) => {
            if (question.atLeast === undefined) now ??= service.moment();
            return ask(caller, question, now);
          });
          verdicts.push(...(await verdictsOf(caller, asked)));
        });
        sendBatch(reply, verdicts);
      },
    );
  };
}
