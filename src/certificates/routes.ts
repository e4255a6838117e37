import { z } from 'zod';
import { rfc3339, type Clock } from '../clock.js';
import { DomainError } from '../errors.js';
import { grantee } from '../http/request.js';
import type { App } from '../http/route.js';
import {
  anySerialNumber,
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
import type { HeldCertificate } from '../registry.js';
import type { CertificateFilter, CertificateStatus } from './store.js';

const status = z.enum(['active', 'held', 'superseded', 'revoked', 'expired']);
const certificate = z.object({
  serialNumber,
  fingerprint: z.string(),
  issuer: z.string(),
  thingName,
  status,
  notBefore: timestamp,
  notAfter: timestamp,
  createdAt: timestamp,
  revokedAt: timestamp.optional(),
  reason: z.string().optional(),
  outsideLists,
  pem: z.string(),
});
const query = pageQuery.extend({
  thing: thingName.optional(),
  status: status.optional(),
  expiringBefore: instant.optional(),
});
const tags = ['certificates'];

type Deps = {
  clock: Clock;
  encodePem(der: Buffer): string;
  statusOf(certificate: HeldCertificate, at: Date): CertificateStatus;
  find(account: string, serialNumber: string): Promise<HeldCertificate | undefined>;
  list(
    account: string,
    filter: CertificateFilter,
    at: Date,
    after: string | undefined,
    limit: number,
  ): Promise<HeldCertificate[]>;
};

export function certificateRoutes({ clock, encodePem, statusOf, find, list }: Deps) {
  const present = (row: HeldCertificate): z.output<typeof certificate> => ({
    serialNumber: row.serialNumber,
    fingerprint: row.fingerprint,
    issuer: row.issuerId,
    thingName: row.thing.name,
    status: statusOf(row, clock()),
    notBefore: rfc3339(row.notBefore),
    notAfter: rfc3339(row.notAfter),
    createdAt: rfc3339(row.createdAt),
    ...(row.revokedAt === null ? {} : { revokedAt: rfc3339(row.revokedAt) }),
    ...(row.reason === null ? {} : { reason: row.reason }),
    ...(row.outsideLists ? { outsideLists: true as const } : {}),
    pem: encodePem(row.der),
  });

  return async (app: App) => {
    app.get(
      '/v1/certificates',
      {
        config: { access: 'certificates:read' },
        schema: { summary: 'List certificates', tags, querystring: query, response: { 200: page(certificate) } },
      },
      async (request) => {
        const { limit, cursor, thing, status: wanted, expiringBefore } = request.query;
        const filter = {
          thingName: thing,
          status: wanted,
          expiringBefore: expiringBefore === undefined ? undefined : new Date(expiringBefore),
        };
        const rows = await list(
          grantee(request).account,
          filter,
          clock(),
          readCursor(cursor, /^[0-9a-f]{40}$/),
          limit + 1,
        );
        return pageOf(rows, limit, (row) => row.serialNumber, present);
      },
    );

    app.get(
      '/v1/certificates/:serialNumber',
      {
        config: { access: 'certificates:read' },
        schema: {
          summary: 'Read a certificate',
          tags,
          params: z.strictObject({ serialNumber: anySerialNumber }),
          response: { 200: certificate },
        },
      },
      async (request) => {
        const found = await find(grantee(request).account, request.params.serialNumber);
        if (!found) throw new DomainError('not-found', `there is no certificate ${request.params.serialNumber}`);
        return present(found);
      },
    );
  };
}
