import { z } from 'zod';
import { rfc3339 } from '../clock.js';
import { grantee, originOf } from '../http/request.js';
import type { FailureLimiter } from '../http/failure-limiter.js';
import type { App } from '../http/route.js';
import type { RevocationReason } from '../pki/crl.js';
import * as schema from './schema.js';
import type { RevokeService } from './service.js';
import type { ThingRevocation } from './whole-thing.js';
import type { RevokeSelf } from './self-revocation.js';

type Deps = {
  service: RevokeService;
  revokeSelf: RevokeSelf;
  failures: FailureLimiter;
  /** Whether a JWT names a certificate that signed something recently. */
  recognises(proof: string): boolean;
  cursor(): string;
  /** What answers say of AWS, which follows later; nothing while there is no mirror. */
  inAws(account: string): Promise<{ aws?: { status: 'pending' } }>;
};

/** Revoking over the API. An answer means that every instance has applied it. */
export function revokeRoutes({ service, revokeSelf, failures, recognises, cursor, inAws }: Deps) {
  const present = async (
    account: string,
    { status, position, ...rest }: ThingRevocation,
  ): Promise<z.output<typeof schema.thingRevoked>> => ({
    ...rest,
    ...(await inAws(account)),
    status: status as 'active' | 'suspended' | 'revoked',
    ...(position === undefined ? {} : { position }),
    cursor: cursor(),
  });

  return async (app: App) => {
    app.post(
      '/v1/certificates/:serialNumber/revoke',
      {
        config: { access: 'certificates:revoke' },
        schema: {
          operationId: 'revokeCertificate',
          summary: 'Revoke a certificate',
          tags: ['certificates'],
          params: schema.certificateParams,
          body: schema.revocation,
          response: { 200: schema.revoked },
        },
      },
      async (request) => {
        const { account } = grantee(request);
        const { serialNumber } = request.params;
        const done = await service.revokeCertificate(account, serialNumber, request.body.reason, originOf(request));
        return {
          ...done,
          ...(await inAws(account)),
          status: 'revoked' as const,
          reason: done.reason as RevocationReason,
          revokedAt: rfc3339(done.revokedAt),
        };
      },
    );

    app.post(
      '/v1/certificates/:serialNumber/release',
      {
        config: { access: 'certificates:release' },
        schema: {
          operationId: 'releaseCertificate',
          summary: 'End a hold',
          tags: ['certificates'],
          params: schema.certificateParams,
          response: { 200: schema.released },
        },
      },
      async (request) => {
        const { account } = grantee(request);
        const done = await service.releaseCertificate(account, request.params.serialNumber, originOf(request));
        return { ...done, ...(await inAws(account)), status: 'active' as const };
      },
    );

    for (const [verb, summary, act] of [
      ['suspend', 'Hold every live certificate of a thing and refuse its tokens', service.suspendThing],
      ['resume', 'End a suspension, and the holds that it created', service.resumeThing],
    ] as const) {
      app.post(
        `/v1/things/:name/${verb}`,
        {
          config: { access: 'certificates:revoke' },
          schema: {
            operationId: `${verb}Thing`,
            summary,
            tags: ['things'],
            params: schema.thingParams,
            response: { 200: schema.thingRevoked },
          },
        },
        async (request) => {
          const { account } = grantee(request);
          return present(account, await act(account, request.params.name, originOf(request)));
        },
      );
    }

    app.post(
      '/v1/things/:name/revoke',
      {
        config: { access: 'certificates:revoke' },
        schema: {
          operationId: 'revokeThing',
          summary: 'Revoke a thing with all of its certificates and tokens',
          tags: ['things'],
          params: schema.thingParams,
          body: schema.thingRevocation,
          response: { 200: schema.thingRevoked },
        },
      },
      async (request) => {
        const { account } = grantee(request);
        const reason = request.body?.reason ?? 'unspecified';
        return present(account, await service.revokeThing(account, request.params.name, reason, originOf(request)));
      },
    );

    app.delete(
      '/v1/things/:name',
      {
        config: { access: 'certificates:revoke', conditional: true },
        schema: {
          operationId: 'deleteThing',
          summary: 'Delete a thing and revoke everything that belongs to it; its name is free after its last notAfter',
          tags: ['things'],
          params: schema.thingParams,
          response: { 204: z.null() },
        },
      },
      async (request, reply) => {
        await service.revokeThing(
          grantee(request).account,
          request.params.name,
          'cessationOfOperation',
          originOf(request),
          { deletes: true },
        );
        return reply.code(204).send(null);
      },
    );

    app.post(
      '/v1/self/revoke',
      {
        config: { access: 'public' },
        schema: {
          operationId: 'revokeSelf',
          summary: 'A device revokes itself: its thing, with all certificates and tokens',
          description:
            'The proof is a JWT of typ revoke+jwt signed by the device key, with the claims of renew+jwt except csr_sha256, and with reason. An access token is not enough: every proxy sees access tokens.',
          tags: ['agents'],
          body: schema.selfRevocation,
          response: { 200: schema.thingRevoked },
        },
      },
      async (request) => {
        const { proof } = request.body;
        const { account, ...done } = await failures.counting(
          request.ip,
          () => recognises(proof),
          () => revokeSelf(proof, originOf(request)),
        );
        return present(account, done);
      },
    );
  };
}
