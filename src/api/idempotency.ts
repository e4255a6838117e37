import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import { DomainError } from '../errors.js';
import type { Witness } from '../origin.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** A POST that only reads: there is nothing that a repeat would do twice. */
    makesNothing?: true;
    /** Why a route refuses Idempotency-Key: what is the safe repeat there. */
    repeatsBy?: string;
  }
  interface FastifyRequest {
    /** Set while the answer to this request must be kept. */
    claim: object | null;
    /** Set where a repeat would make another object. */
    witness: Witness | undefined;
  }
}

type Answer = { status: number; headers: Record<string, string>; body: string };

/** Where answers are kept. */
type Keeper<Claim extends object> = {
  begin(request: { account: string; scope: string; key: string; body: string }): Promise<Claim | Answer>;
  keep(claim: Claim, answer: Answer): Promise<void>;
  giveUp(claim: Claim): Promise<void>;
  witness(claim: Claim): Witness;
};

const keyForm = /^[!-~]{22,200}$/;
const keptHeaders = ['content-type', 'location', 'cache-control', 'etag'];

/** Whether a route keeps its answers: every POST of somebody with permissions does that changes something. */
export function keepsAnswers({ method, config = {} }: Pick<RouteOptions, 'method' | 'config'>): boolean {
  const { access, cost, makesNothing } = config;
  const isOfGrantee = access !== undefined && !['public', 'enrollment', 'thing', 'person'].includes(access);
  return [method].flat().includes('POST') && isOfGrantee && cost !== 'free' && makesNothing !== true;
}

/** Whether a repeat makes one more object, and does not only bring about the same state: the route answers 201 or 202. */
export const makesAnother = (schema: RouteOptions['schema']): boolean =>
  Object.keys(schema?.response ?? {}).some((status) => status === '201' || status === '202');

/**
 * Gives the first answer again to a request that is repeated with its `Idempotency-Key`. Answers other than 2xx are not
 * kept: whoever repeats those wants another. Has to be installed after the hooks that find the caller.
 */
export function installIdempotency<Claim extends object>(app: FastifyInstance, keeper: Keeper<Claim>): void {
  app.decorateRequest('claim', null);
  app.decorateRequest('witness', undefined);

  app.addHook('preHandler', async (request, reply) => {
    const key = request.headers['idempotency-key'];
    const { method, config } = request.routeOptions;
    if (key === undefined) return;
    if (config.repeatsBy) throw new DomainError('invalid-request', `send no Idempotency-Key: ${config.repeatsBy}`);
    if (!keepsAnswers({ method: method ?? [], config }) || request.caller === null) return;
    if (typeof key !== 'string' || !keyForm.test(key))
      throw new DomainError(
        'invalid-request',
        'Idempotency-Key: send 22 to 200 visible ASCII characters, such as a UUID',
      );
    const begun = await keeper.begin({ account: request.caller.account, key, ...describe(request) });
    if ('status' in begun) return replay(reply, begun);
    request.claim = begun;
    if (makesAnother(request.routeOptions.schema)) request.witness = keeper.witness(begun);
  });

  app.addHook('onSend', async (request, reply, payload) => {
    const claim = request.claim as Claim | null;
    if (claim === null) return;
    request.claim = null;
    const { statusCode } = reply;
    // The change is made: that its answer cannot be kept must not keep it from being given.
    const work =
      statusCode >= 200 && statusCode < 300 && isText(payload)
        ? keeper.keep(claim, { status: statusCode, headers: headersOf(reply), body: payload ?? '' })
        : keeper.giveUp(claim);
    await work.catch((error: unknown) => request.log.error({ err: error, reqId: request.id }, 'answer not kept'));
  });
}

function describe(request: FastifyRequest): { scope: string; body: string } {
  const { method, url, query, body, caller } = request;
  const id = caller?.kind === 'grantee' ? caller.id : '';
  return {
    scope: `${id} ${method} ${url.split('?')[0]!}`,
    body: JSON.stringify([query ?? null, body ?? null]),
  };
}

function replay(reply: FastifyReply, { status, headers, body }: Answer): FastifyReply {
  void reply.code(status).headers(headers).header('idempotency-replayed', 'true');
  return body === '' ? reply.send(null) : reply.serializer(String).send(body);
}

const isText = (payload: unknown): payload is string | null | undefined =>
  typeof payload === 'string' || payload === null || payload === undefined;

function headersOf(reply: FastifyReply): Record<string, string> {
  return Object.fromEntries(
    keptHeaders.flatMap((name) => {
      const value = reply.getHeader(name);
      return value === undefined ? [] : [[name, String(value)]];
    }),
  );
}
