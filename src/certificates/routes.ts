import { z } from 'zod';
import { named } from '../named.js';
import { rfc3339 } from '../clock.js';
import { grantee } from '../http/request.js';
import type { App } from '../http/route.js';
import {
  anySerialNumber,
  fingerprint,
  instant,
  outsideLists,
  page,
  pageOf,
  pageQuery,
  readCursor,
  serialNumber,
  thingName,
  timestamp,
} from '../shapes.js';
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
  thing: thingName.optional().describe('Certificates of this thing'),
  status: status.optional().describe('Certificates of this status'),
  expiringBefore: instant.optional().describe('Certificates that expire before'),
});
const tags = ['certificates'];

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
        const { limit, cursor, thing, status: wanted, expiringBefore } = request.query;
        const filter = {
          thingName: thing,
          status: wanted,
          expiringBefore: expiringBefore === undefined ? undefined : new Date(expiringBefore),
        };
        const after = readCursor(cursor, /^[0-9a-f]{40}$/);
        const rows = await service.list(grantee(request).account, filter, after, limit + 1);
        return pageOf(rows, limit, (row) => row.serialNumber, present);
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
