import { z } from 'zod';
import { named } from '../api/named.js';
import { page, pageOf, pageQuery, placeIn, sortQuery, timeForm, totalOf, totalQuery } from '../api/paging.js';
import { rfc3339 } from '../clock.js';
import { grantee } from '../http/request.js';
import type { App } from '../http/route.js';
import { anySerialNumber, fingerprint, instant, outsideLists, serialNumber, thingName, timestamp } from '../shapes.js';
import type { CertificateService, ShownCertificate } from './service.js';

const status = z.enum(['active', 'held', 'superseded', 'revoked', 'expired']);
const certificate = named(
  'Certificate',
  'A certificate of a thing',
  z.object({
    serialNumber,
    fingerprint,
    issuer: z.string().describe('The id of the issuing CA'),
    thingName,
    status: status.describe('Only an active one proves anything'),
    notBefore: timestamp.describe('When the certificate begins to be valid'),
    notAfter: timestamp.describe('When the certificate expires'),
    createdAt: timestamp.describe('When the certificate was issued'),
    revokedAt: timestamp.optional().describe('When it was revoked or held'),
    reason: z.string().optional().describe('Why it was revoked or held'),
    outsideLists,
    pem: z.string().describe('The certificate in PEM'),
  }),
);
const query = pageQuery.extend({
  ...sortQuery(['serialNumber', 'notAfter']),
  ...totalQuery,
  thing: thingName.optional().describe('Certificates of this thing'),
  status: status.optional().describe('Certificates of this status'),
  expiringBefore: instant.optional().describe('Certificates that expire before'),
  expiringAfter: instant.optional().describe('Certificates that expire then or later'),
  serialNumber: z
    .string()
    .regex(/^[0-9a-f]{1,40}$/, 'must be at most 40 lower-case hex digits')
    .optional()
    .meta({ description: 'Certificates whose serial numbers begin so', examples: ['2f9d0c41'] }),
});
const tags = ['certificates'];
const serialForm = /^[0-9a-f]{40}$/;
const timeOf = (text: string | undefined) => (text === undefined ? undefined : new Date(text));

/** The routes of `/v1/certificates`. */
export function certificateRoutes(service: CertificateService) {
  const present = (row: ShownCertificate): z.output<typeof certificate> => ({
    serialNumber: row.serialNumber,
    fingerprint: row.fingerprint,
    issuer: row.issuerId,
    thingName: row.thing.name,
    status: row.status,
    notBefore: rfc3339(row.notBefore),
    notAfter: rfc3339(row.notAfter),
    createdAt: rfc3339(row.createdAt),
    ...(row.revokedAt === null ? {} : { revokedAt: rfc3339(row.revokedAt) }),
    ...(row.reason === null ? {} : { reason: row.reason }),
    ...(row.outsideLists ? { outsideLists: true as const } : {}),
    pem: row.pem,
  });

  return async (app: App) => {
    app.get(
      '/v1/certificates',
      {
        config: { access: 'certificates:read' },
        schema: {
          operationId: 'listCertificates',
          summary: 'List certificates',
          tags,
          querystring: query,
          response: { 200: page(certificate) },
        },
      },
      async (request) => {
        const { query } = request;
        const { account } = grantee(request);
        const place = placeIn(`certificates ${account}`, query);
        const { limit, descending } = place;
        const by = query.sort.endsWith('notAfter') ? 'notAfter' : 'serialNumber';
        const after = place.after(...(by === 'notAfter' ? [timeForm, serialForm] : [serialForm]));
        const filter = {
          thingName: query.thing,
          status: query.status,
          expiringBefore: timeOf(query.expiringBefore),
          expiringAfter: timeOf(query.expiringAfter),
          serialPrefix: query.serialNumber,
        };
        const rows = await service.list(account, filter, { by, after, descending, limit: limit + 1 });
        const keysOf = ({ serialNumber: serial, notAfter }: ShownCertificate) =>
          by === 'notAfter' ? [notAfter.toISOString(), serial] : serial;
        const total = await totalOf(query, (most) => service.count(account, filter, most));
        return { ...pageOf(rows, place, keysOf, present), ...total };
      },
    );

    app.get(
      '/v1/certificates/:serialNumber',
      {
        config: { access: 'certificates:read' },
        schema: {
          operationId: 'getCertificate',
          summary: 'Read a certificate',
          tags,
          params: z.strictObject({ serialNumber: anySerialNumber }),
          response: { 200: certificate },
        },
      },
      async (request) => present(await service.get(grantee(request).account, request.params.serialNumber)),
    );
  };
}
