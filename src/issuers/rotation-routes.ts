import type { FastifyReply } from 'fastify';
import { grantee, originOf } from '../http/request.js';
import type { App } from '../http/route.js';
import { presentIssuer } from './present.js';
import * as schema from './schema.js';
import type { IssuerService } from './service.js';
import type { StoredIssuer } from './stored.js';
import { issuerTag } from './tag.js';

const tags = ['issuers'];
const writing = { access: 'issuers:write', stepUp: true } as const;
const request = { type: 'application/x-pem-file', about: 'A certificate request (PKCS#10) in PEM' };

const acts = {
  activate: {
    summary: 'Issue by this authority from now on',
    description:
      'The authority that issued until now retires: it stays in every bundle, and its list and OCSP answers continue until it expires. Activate once every server that verifies devices has fetched bundles with the new one in them.',
  },
  retire: {
    summary: 'Give up an authority that was prepared',
    description: 'Its key is forgotten. The authority that issues retires when another is activated.',
  },
} as const;

/** The life of the authorities that issue. */
export function rotationRoutes({ rotation, urlsOf }: Pick<IssuerService, 'rotation' | 'urlsOf'>) {
  const present = (reply: FastifyReply, issuer: StoredIssuer) => {
    void reply.header('etag', issuerTag(issuer));
    return presentIssuer(issuer, urlsOf(issuer.id).crl, undefined);
  };

  return async (app: App) => {
    app.post(
      '/v1/issuers',
      {
        config: writing,
        schema: {
          operationId: 'createIssuer',
          summary: 'Prepare a certificate authority, which does not issue yet',
          description:
            'An `issuing` one is in every bundle at once. An `intermediate` waits for the certificate that you have signed for its request.',
          tags,
          body: schema.newIssuer,
          response: { 201: schema.issuer },
        },
      },
      async (request, reply) => {
        const made = await rotation.prepare(grantee(request).account, request.body.kind, originOf(request));
        return reply.code(201).header('location', `/v1/issuers/${made.id}`).send(present(reply, made));
      },
    );

    app.get(
      '/v1/issuers/:id/csr',
      {
        config: { access: 'certificates:read', sends: request },
        schema: {
          operationId: 'getIssuerCsr',
          summary: 'The certificate request of an intermediate',
          tags,
          params: schema.issuerParams,
        },
      },
      async (request, reply) =>
        reply.type('application/x-pem-file').send(await rotation.request(grantee(request).account, request.params.id)),
    );

    app.put(
      '/v1/issuers/:id/certificate',
      {
        config: { ...writing, conditional: true },
        schema: {
          operationId: 'setIssuerCertificate',
          summary: 'Give an intermediate its certificate',
          description:
            'The chain is judged as the readers of device certificates will: signatures, dates, CA, path lengths, usages and name constraints. A root belongs to one account.',
          tags,
          params: schema.issuerParams,
          body: schema.issuerCertificate,
          response: { 200: schema.issuer },
        },
      },
      async (request, reply) => {
        const { certificate, chain = '' } = request.body;
        const act = { account: grantee(request).account, id: request.params.id, origin: originOf(request) };
        return present(reply, await rotation.putCertificate(act, `${certificate}\n${chain}`));
      },
    );

    for (const act of ['activate', 'retire'] as const)
      app.post(
        `/v1/issuers/:id/${act}`,
        {
          config: { ...writing, conditional: true },
          schema: {
            operationId: `${act}Issuer`,
            ...acts[act],
            tags,
            params: schema.issuerParams,
            response: { 200: schema.issuer },
          },
        },
        async (request, reply) => {
          const { account } = grantee(request);
          return present(reply, await rotation[act]({ account, id: request.params.id, origin: originOf(request) }));
        },
      );
  };
}
