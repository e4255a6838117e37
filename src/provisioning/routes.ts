import type { z } from 'zod';
import { enrollmentCaller, originOf } from '../http/request.js';
import type { FailureLimiter } from '../http/failure-limiter.js';
import type { App } from '../http/route.js';
import * as schema from './schema.js';
import type { FirstBoot, Provisioned, StillWaiting } from './asked.js';
import type { Origin } from '../origin.js';

/** The answer to a first boot. */
export type ProvisionAnswer = z.output<typeof schema.provisionAnswer>;

/** The answer to a renewal. */
export type RenewAnswer = z.output<typeof schema.renewAnswer>;

/** How a private key that the server made is sent. */
export type PrivateKeyForm = Pick<schema.ProvisionRequest, 'format' | 'password'>;

type Deps = {
  provision(tokenHash: Buffer, ask: () => FirstBoot, origin: Origin): Promise<Provisioned | StillWaiting>;
  present(provisioned: Provisioned, form: PrivateKeyForm): Promise<ProvisionAnswer>;
  renew(request: schema.RenewRequest, origin: Origin): Promise<{ created: boolean; answer: RenewAnswer }>;
  failures: FailureLimiter;
  /** Whether the enrollment of a token was valid recently. */
  isRemembered(tokenHash: Buffer): boolean;
  /** Whether a JWT names a certificate that signed something recently. */
  recognises(proof: string): boolean;
  /** Notes how a first boot ended. */
  count(result: 'created' | 'repeated' | 'waiting'): void;
};

const tags = ['agents'];

/** The routes `/v1/provision` and `/v1/renew`. */
export function provisioningRoutes({ provision, present, renew, failures, isRemembered, recognises, count }: Deps) {
  return async (app: App) => {
    app.post(
      '/v1/provision',
      {
        config: {
          access: 'enrollment',
          repeatsBy: 'a request with the same csr is answered with the same certificate',
        },
        schema: {
          operationId: 'provisionThing',
          summary: 'First boot: a thing, a certificate and a token in one call that is safe to repeat',
          tags,
          body: schema.provisionRequest,
          response: { 200: schema.provisionAnswer, 201: schema.provisionAnswer, 202: schema.waitingAnswer },
        },
      },
      async (request, reply) => {
        // The answer is built from nothing but what the schema names: running it through the schema again
        // would cost as much as a signature. A test holds every answer against the schema.
        void reply.type('application/json; charset=utf-8').serializer(JSON.stringify);
        const { tokenHash } = enrollmentCaller(request);
        const result = await failures.counting(
          request.ip,
          () => isRemembered(tokenHash),
          () => provision(tokenHash, () => schema.toFirstBoot(request.body), originOf(request)),
        );
        void reply.header('cache-control', 'no-store');
        if ('waiting' in result) {
          count('waiting');
          const { id, retryAfter } = result.waiting;
          return reply.code(202).header('retry-after', retryAfter).send({ status: 'waiting', id, retryAfter });
        }
        const answer = await present(result, request.body);
        count(result.created ? 'created' : 'repeated');
        return reply.code(result.created ? 201 : 200).send(answer);
      },
    );

    app.post(
      '/v1/renew',
      {
        config: {
          access: 'public',
          repeatsBy: 'a request with the same key and csr is answered with the same certificate',
        },
        schema: {
          operationId: 'renewCertificate',
          summary: 'A certificate for a new key, with a proof of the present one',
          tags,
          body: schema.renewRequest,
          response: { 200: schema.renewAnswer, 201: schema.renewAnswer },
        },
      },
      async (request, reply) => {
        const { created, answer } = await failures.counting(
          request.ip,
          () => recognises(request.body.proof),
          () => renew(request.body, originOf(request)),
        );
        return reply
          .code(created ? 201 : 200)
          .header('cache-control', 'no-store')
          .send(answer);
      },
    );
  };
}
