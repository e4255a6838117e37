import { z } from 'zod';
import { named } from '../api/named.js';
import { rfc3339 } from '../clock.js';
import { grantee, originOf } from '../http/request.js';
import type { App } from '../http/route.js';
import { timestamp } from '../shapes.js';
import { issuerTag, type IssuerService } from './service.js';

const id = z
  .string()
  .regex(/^[0-9a-f]{16}$/, 'must be 16 lower-case hex digits')
  .meta({ description: 'The id of a certificate authority', examples: ['3f2a9c41b07d5e68'] });
const settings = {
  listSuperseded: z.boolean().describe('List and answer certificates that a renewal superseded as revoked'),
  shards: z
    .int()
    .min(0)
    .max(1024)
    .describe('Lists that new certificates are spread over; 0 for the complete one alone'),
  deltaList: z.boolean().describe('Publish /crl/{issuerId}/delta.crl beside the complete list'),
  distributionPoint: z.boolean().describe('Name the distribution point in the complete list (critical)'),
  listMaxAge: z.int().min(0).max(86_400).describe('Seconds that caches may keep lists without asking'),
};
const issuer = named(
  'Issuer',
  'A certificate authority',
  z.object({
    id,
    kind: z.enum(['root', 'issuing']).describe('What it signs: the issuing CA, or devices'),
    notBefore: timestamp.describe('When its certificate begins to be valid'),
    notAfter: timestamp.describe('When its certificate expires'),
    crl: z.url().describe('Where its list is'),
    ...settings,
  }),
);
const issuers = named(
  'Issuers',
  'The certificate authorities',
  z.object({ items: z.array(issuer).describe('All of them') }),
);
const change = named(
  'IssuerPatch',
  'How an authority publishes what it revoked',
  z.strictObject(settings).partial(),
).meta({ examples: [{ listMaxAge: 300 }] });

/** The authorities of an account, and how their lists are made. */
export function issuerRoutes(service: Pick<IssuerService, 'list' | 'get' | 'configure' | 'urlsOf'>) {
  type Stored = Awaited<ReturnType<typeof service.list>>[number];

  const present = ({ id: issuerId, kind, notBefore, notAfter, ...rest }: Stored): z.output<typeof issuer> => ({
    id: issuerId,
    kind,
    notBefore: rfc3339(notBefore),
    notAfter: rfc3339(notAfter),
    crl: service.urlsOf(issuerId).crl,
    listSuperseded: rest.listSuperseded,
    shards: rest.shards,
    deltaList: rest.deltaList,
    distributionPoint: rest.distributionPoint,
    listMaxAge: rest.listMaxAge,
  });

  return async (app: App) => {
    app.get(
      '/v1/issuers',
      {
        config: { access: 'certificates:read' },
        schema: {
          operationId: 'listIssuers',
          summary: 'The certificate authorities',
          tags: ['issuers'],
          response: { 200: issuers },
        },
      },
      async (request) => ({ items: (await service.list(grantee(request).account)).map(present) }),
    );

    app.get(
      '/v1/issuers/:id',
      {
        config: { access: 'certificates:read' },
        schema: {
          operationId: 'getIssuer',
          summary: 'Read a certificate authority',
          tags: ['issuers'],
          params: z.strictObject({ id }),
          response: { 200: issuer },
        },
      },
      async (request, reply) => {
        const found = await service.get(grantee(request).account, request.params.id);
        void reply.header('etag', issuerTag(found));
        return present(found);
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
          params: z.strictObject({ id }),
          body: change,
          response: { 200: issuer },
        },
      },
      async (request, reply) => {
        const given = Object.entries(request.body).filter(([, value]) => value !== undefined);
        const wanted = Object.fromEntries(given) as Parameters<IssuerService['configure']>[2];
        const changed = await service.configure(grantee(request).account, request.params.id, wanted, originOf(request));
        void reply.header('etag', issuerTag(changed));
        return present(changed);
      },
    );
  };
}
