import { z } from 'zod';
import type { Grantee } from '../../access/grantee.js';
import type { Clock } from '../../clock.js';
import { DomainError } from '../../errors.js';
import { named } from '../../api/named.js';
import type { App } from '../../http/route.js';
import { encodeCertificate } from '../../pki/pem.js';
import type { TrustStore } from '../trust-store.js';
import { mountDialect, refusalOf } from './dialect.js';

/** The list of `rabbitmq_trust_store`. */
type TrustList = { certificates: { id: string; path: string }[] };

/** Nobody is trusted. HAZARD: after an error RabbitMQ keeps what it had, so this is the only no. */
const nobody: TrustList = { certificates: [] };

/** RabbitMQ reads each certificate by one request: larger fleets log in by token. */
const mostTrusted = 10_000;

type Deps = { store: TrustStore; clock: Clock; requireLease(): void };

/** The certificates that RabbitMQ believes. An id is the fingerprint, so a new certificate has a new one. */
export function createRabbitmqTrust({ store, clock, requireLease }: Deps) {
  return {
    /** @throws DomainError `not-ready`, `conflict` for more than RabbitMQ can read */
    async list({ account }: Grantee): Promise<TrustList> {
      requireLease();
      const rows = await store.list(account, clock(), mostTrusted + 1);
      requireLease();
      if (rows.length > mostTrusted)
        throw new DomainError(
          'conflict',
          `the account has more than ${mostTrusted} valid certificates, too many for a trust store: let devices log in by token`,
        );
      return { certificates: rows.map(({ fingerprint: id }) => ({ id, path: `/${id}.pem` })) };
    },

    /** The PEM of one of them. @throws DomainError `not-ready`, `not-found` */
    async find({ account }: Grantee, id: string): Promise<string> {
      requireLease();
      const der = await store.find(account, id, clock());
      if (!der) throw new DomainError('not-found', 'no certificate with this fingerprint is valid now');
      return encodeCertificate(der);
    },
  };
}

const tags = ['integrations'];
const list = named(
  'RabbitmqTrust',
  'The certificates that RabbitMQ trusts',
  z.object({
    certificates: z
      .array(
        named(
          'RabbitmqCertificate',
          'A certificate that RabbitMQ trusts',
          z.object({ id: z.string().describe('Its fingerprint'), path: z.string().describe('Where its PEM is') }),
        ),
      )
      .describe('The certificates that are valid now'),
  }),
);
const params = z.strictObject({
  id: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'must be a fingerprint from the list')
    .meta({
      description: 'A fingerprint from the list',
      examples: ['9b1f0c5de2a94b6f8e3d7c1a05f4b2d86e7a9c3b1d0f5e4a8b6c2d9e7f3a1b50'],
    }),
});

/** `rabbitmq_trust_store` with the provider `http`: the only certificates that RabbitMQ believes. */
export function rabbitmqTrustRoutes(trust: ReturnType<typeof createRabbitmqTrust>) {
  return async (app: App) => {
    mountDialect(app, {
      url: '/integrations/rabbitmq/trust',
      method: 'GET',
      access: 'authorize:query',
      needs: ['revocations:read'],
      load: 'page',
      schema: {
        operationId: 'listRabbitmqTrust',
        summary: 'RabbitMQ: the certificates that are valid now',
        description: 'Always 200. Whatever fails, the list is empty: after an error RabbitMQ would keep what it had.',
        tags,
        response: { 200: list },
      },
      questionOf: () => undefined,
      decide: (caller) => trust.list(caller),
      answerOf: (body) => ({ body }),
      failureOf: () => ({ body: nobody }),
    });
    mountDialect(app, {
      url: '/integrations/rabbitmq/trust/:id.pem',
      method: 'GET',
      access: 'authorize:query',
      needs: ['revocations:read'],
      sends: { type: 'application/x-pem-file', about: 'The certificate' },
      schema: {
        operationId: 'getRabbitmqCertificate',
        summary: 'RabbitMQ: one of these certificates, PEM',
        tags,
        params,
      },
      questionOf: (_body: unknown, request) => (request.params as z.output<typeof params>).id,
      decide: (caller, id) => trust.find(caller, id),
      answerOf: (body) => ({ headers: { 'content-type': 'application/x-pem-file' }, body }),
      failureOf: (failure, request) => refusalOf(failure, request, 404),
    });
  };
}
