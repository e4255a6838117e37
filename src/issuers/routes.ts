import { grantee, originOf } from '../http/request.js';
import type { App } from '../http/route.js';
import { presentIssuer } from './present.js';
import * as schema from './schema.js';
import type { IssuerService } from './service.js';
import type { StoredIssuer } from './stored.js';
import { issuerTag } from './tag.js';

type Service = Pick<IssuerService, 'list' | 'get' | 'configure' | 'urlsOf' | 'listEnds'>;

/** The authorities of an account, and how their lists are made. */
export function issuerRoutes(service: Service) {
  const present = async (account: string, issuers: StoredIssuer[]) => {
    const ends = issuers.some(({ keyPlace }) => keyPlace === 'elsewhere')
      ? await service.listEnds(account)
      : new Map<string, Date>();
    return issuers.map((each) => presentIssuer(each, service.urlsOf(each.id).crl, ends.get(each.id)));
  };

  return async (app: App) => {
    app.get(
      '/v1/issuers',
      {
        config: { access: 'certificates:read' },
        schema: {
          operationId: 'listIssuers',
          summary: 'The certificate authorities',
          tags: ['issuers'],
          response: { 200: schema.issuers },
        },
      },
      async (request) => {
        const { account } = grantee(request);
        return { items: await present(account, await service.list(account)) };
      },
    );

    app.get(
      '/v1/issuers/:id',
      {
        config: { access: 'certificates:read' },
        schema: {
          operationId: 'getIssuer',
          summary: 'Read a certificate authority',
          tags: ['issuers'],
          params: schema.issuerParams,
          response: { 200: schema.issuer },
        },
      },
      async (request, reply) => {
        const { account } = grantee(request);
        const found = await service.get(account, request.params.id);
        void reply.header('etag', issuerTag(found));
        return (await present(account, [found]))[0]!;
      },
    );

    app.patch(
      '/v1/issuers/:id',
      {
        config: { access: 'issuers:write', conditional: true, stepUp: true },
        schema: {
          operationId: 'updateIssuer',
          summary: 'Change how an authority publishes what it revoked',
          tags: ['issuers'],
          params: schema.issuerParams,
          body: schema.issuerPatch,
          response: { 200: schema.issuer },
        },
      },
      async (request, reply) => {
        const given = Object.entries(request.body).filter(([, value]) => value !== undefined);
        const wanted = Object.fromEntries(given) as Parameters<IssuerService['configure']>[2];
        const { account } = grantee(request);
        const changed = await service.configure(account, request.params.id, wanted, originOf(request));
        void reply.header('etag', issuerTag(changed));
        return presentIssuer(changed, service.urlsOf(changed.id).crl, undefined);
      },
    );
  };
}
