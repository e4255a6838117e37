import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { readChannel } from '../http/est/channel.js';
import { proofOf } from '../http/est/proofs.js';
import { enrollmentCaller, originOf } from '../http/request.js';
import type { FailureLimiter } from '../http/failure-limiter.js';
import type { App } from '../http/route.js';
import * as schema from './schema.js';
import type { FirstBoot, Provisioned, StillWaiting } from './asked.js';
import type { ProvenDevice, SentProof } from './admission/proving.js';
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
  /** Who sends a first boot without a token. @throws DomainError */
  prove(sent: SentProof): Promise<ProvenDevice>;
  /** Proxies whose `Client-Cert` is believed, as ranges. */
  proxies: readonly string[];
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

type Booting = Pick<Deps, 'provision' | 'prove' | 'proxies' | 'present' | 'failures' | 'isRemembered' | 'count'>;

/** The route `/v1/provision`, also for the listener that asks for client certificates. */
export function firstBootRoute(deps: Booting) {
  const { provision, prove, proxies, present, failures, isRemembered, count } = deps;

  /** By the certificate of a manufacturer. */
  const byManufacturer = (request: FastifyRequest, body: schema.ProvisionRequest) =>
    failures.counting(
      request.ip,
      () => false,
      async () => {
        const { certificate, behind } = readChannel(request, proxies);
        const certificates = certificate ? [certificate, ...behind] : [];
        const { csr, enrollment } = body;
        const { enrollmentId, tokenHash, manufactured } = await prove({
          jwt: proofOf(request),
          certificates,
          enrollment,
          csr,
        });
        const origin = { ...originOf(request), actor: `enrollment:${enrollmentId}` };
        return provision(tokenHash, () => schema.toFirstBoot(body, manufactured), origin);
      },
    );

  const byToken = (request: FastifyRequest, body: schema.ProvisionRequest) => {
    const { tokenHash } = enrollmentCaller(request);
    return failures.counting(
      request.ip,
      () => isRemembered(tokenHash),
      () => provision(tokenHash, () => schema.toFirstBoot(body), originOf(request)),
    );
  };

  return async (app: App) => {
    app.post(
      '/v1/provision',
      {
        config: {
          access: 'enrollment',
          provesItself: true,
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
        const result = await (request.caller ? byToken : byManufacturer)(request, request.body);
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
  };
}

/** The routes `/v1/provision` and `/v1/renew`. */
export function provisioningRoutes(deps: Deps) {
  const { renew, failures, recognises } = deps;
  const firstBoot = firstBootRoute(deps);
  return async (app: App) => {
    await firstBoot(app);

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
