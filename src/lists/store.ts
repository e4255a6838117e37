import { X509Certificate } from 'node:crypto';
import { sql, type Database, type Transaction } from '../db/client.js';
import type { RevocationReason } from '../pki/crl.js';
import { serialDigits } from '../pki/serial-number.js';
import type { ListedCertificate, ListOf } from './lists.js';
import type { KnownSerial } from '../ocsp/responder.js';

/** What makes a list, with the log that it covers: its bytes follow from that, and the signature proves it. */
export type CrlRecord = {
  issuerId: string;
  scope: string;
  /** Of a shard: the distribution point in its certificates. */
  url: string | null;
  number: bigint;
  position: bigint;
  /** When it was signed: the server's timers and caches count from here. */
  signedAt: Date;
  /** What the list says instead, an hour or less before. */
  thisUpdate: Date;
  nextUpdate: Date;
  /** Empty until it was first signed. */
  signature: Buffer;
  /** Another list had this signedAt before, so that the time alone does not tell them apart. */
  sameSecond: boolean;
  base: { number: bigint; position: bigint; at: Date } | null;
};

/** A certificate that left the complete list between two positions. */
export type Departure = { serialNumber: string; position: number; at: Date };

export type RevocationStore = ReturnType<typeof createRevocationStore>;

const pageRows = 500;

/** Reads what lists are made from, and keeps the lists that were signed. */
export function createRevocationStore(db: Database) {
  /** Makes room for a list that nobody has signed yet. */
  const open = async (tx: Transaction, issuerId: string, scope: string, at: Date, url: string | null = null) => {
    const data = { issuerId, scope, url, number: 1n, position: 0n, thisUpdate: at, nextUpdate: at };
    await tx.crl.createMany({ data: [data], skipDuplicates: true });
  };

  return {
    open,

    /** Opens lists for shards whose certificates say `${base}${scope}.crl`, until there are `count`; returns their scopes and URLs. */
    shards: (issuerId: string, count: number, base: string, at: Date): Promise<{ scope: string; url: string }[]> =>
      db.$transaction(async (tx) => {
        await tx.$queryRaw(sql`SELECT 1 FROM issuers WHERE id = ${issuerId} FOR UPDATE`);
        const rows = await tx.crl.findMany({
          where: { issuerId, url: { not: null } },
          select: { scope: true, url: true },
        });
        const present = rows.filter(({ url }) => url!.startsWith(base)) as { scope: string; url: string }[];
        for (let next = rows.length + 1; present.length < count; next++) {
          const shard = { scope: String(next), url: `${base}${next}.crl` };
          await open(tx, issuerId, shard.scope, at, shard.url);
          present.push(shard);
        }
        return present.sort((a, b) => Number(a.scope) - Number(b.scope)).slice(0, count);
      }),

    async find(issuerId: string, scope: string): Promise<CrlRecord | undefined> {
      const row = await db.crl.findUnique({ where: { issuerId_scope: { issuerId, scope } } });
      return row ? toRecord(row) : undefined;
    },

    /** Puts `next` in the place of list number `before`. False when another instance was faster. */
    async swap({ base, ...next }: CrlRecord, before: bigint): Promise<boolean> {
      const { issuerId, scope } = next;
      const { count } = await db.crl.updateMany({
        where: { issuerId, scope, number: before },
        data: { ...next, signature: new Uint8Array(next.signature), ...baseColumns(base) },
      });
      return count === 1;
    },

    /** The first delta list of an issuer. False when another instance was faster. */
    async insertDelta({ base, ...delta }: CrlRecord): Promise<boolean> {
      const data = { ...delta, signature: new Uint8Array(delta.signature), ...baseColumns(base) };
      return (await db.crl.createMany({ data: [data], skipDuplicates: true })).count === 1;
    },

    /** Complete lists and shards of unexpired issuers that run out before an instant of their kind, soonest first. */
    runningOut(before: { root: Date; issuing: Date }, at: Date): Promise<{ issuerId: string; scope: string }[]> {
      return db.crl.findMany({
        where: {
          scope: { not: 'delta' },
          OR: [
            { issuer: { kind: 'root', notAfter: { gt: at } }, nextUpdate: { lte: before.root } },
            { issuer: { kind: 'issuing', notAfter: { gt: at } }, nextUpdate: { lte: before.issuing } },
          ],
        },
        select: { issuerId: true, scope: true },
        orderBy: { nextUpdate: 'asc' },
      });
    },

    /** When the first signed list of unexpired issuers of a kind runs out. */
    async soonestEnd(kind: 'root' | 'issuing', at: Date): Promise<Date | undefined> {
      const row = await db.crl.findFirst({
        where: {
          scope: { not: 'delta' },
          signature: { not: new Uint8Array() },
          issuer: { kind, notAfter: { gt: at } },
        },
        orderBy: { nextUpdate: 'asc' },
        select: { nextUpdate: true },
      });
      return row?.nextUpdate;
    },

    /** What a list has to show, in the order of the log, page by page. */
    async *load({ issuerId, scope, listSuperseded }: ListOf, upTo: number): AsyncGenerator<ListedCertificate[]> {
      for (let after = 0; ;) {
        const page = await db.certificate.findMany({
          where: {
            issuerId,
            revokedAt: { not: null },
            revokedPosition: { gt: after, lte: upTo },
            ...(scope === 'complete' ? {} : { crlScope: scope }),
            ...(listSuperseded ? {} : { reason: { not: 'superseded' } }),
          },
          select: {
            serialNumber: true,
            reason: true,
            revokedAt: true,
            notAfter: true,
            revokedPosition: true,
            issuerIndex: true,
          },
          orderBy: { revokedPosition: 'asc' },
          take: pageRows,
        });
        yield page.map(({ revokedPosition, issuerIndex, revokedAt, reason, ...row }) => ({
          ...row,
          reason: reason as RevocationReason,
          revokedAt: revokedAt!,
          position: Number(revokedPosition),
          index: Number(issuerIndex),
        }));
        if (page.length < pageRows) return;
        after = Number(page.at(-1)!.revokedPosition);
      }
    },

    async lastChange(account: string, upTo: number): Promise<number> {
      const entry = await db.logEntry.findFirst({
        where: { accountName: account, position: { lte: upTo }, type: { in: ['certificate', 'release', 'issuer'] } },
        orderBy: { position: 'desc' },
        select: { position: true },
      });
      return Number(entry?.position ?? 0);
    },

    /** Where an account's authorities were last configured; 0 where the log does not say. */
    async lastConfigured(account: string, upTo: number): Promise<number> {
      const entry = await db.logEntry.findFirst({
        where: { accountName: account, position: { lte: upTo }, type: 'issuer' },
        orderBy: { position: 'desc' },
        select: { position: true },
      });
      return Number(entry?.position ?? 0);
    },

    /** Serial numbers that the log says are revoked, that have not expired, and that the registry has as good: somebody meddled. */
    async contradicted({ issuerId, account }: ListOf, at: Date): Promise<string[]> {
      const rows = await db.$queryRaw<{ serial: string }[]>(sql`
        SELECT last.serial FROM (
          SELECT DISTINCT ON (payload->>'serialNumber') payload->>'serialNumber' AS serial, type, payload FROM log_entries
          WHERE account_name = ${account} AND type IN ('certificate', 'release') AND payload->>'issuer' = ${issuerId}
          ORDER BY payload->>'serialNumber', position DESC) last
        LEFT JOIN certificates c ON c.serial_number = last.serial
        WHERE last.type = 'certificate' AND (last.payload->>'notAfter')::timestamptz > ${at} AND c.revoked_at IS NULL
        LIMIT 10`);
      return rows.map(({ serial }) => serial);
    },

    /**
     * What stood in the complete list of an issuer at one position and does not at another: the last word on it is that
     * it may leave, and the first word since then replaced an entry of the list..
     */
    async departures({ issuerId, account, listSuperseded }: ListOf, after: number, upTo: number): Promise<Departure[]> {
      const rows = await db.$queryRaw<{ serial: string; position: bigint; at: Date }[]>(sql`
        SELECT serial, position, at FROM (
          SELECT DISTINCT ON (payload->>'serialNumber') payload->>'serialNumber' AS serial, position, at, type,
            payload->>'reason' AS reason, first_value((payload->>'replaces')::bigint)
              OVER (PARTITION BY payload->>'serialNumber' ORDER BY position) AS replaced
          FROM log_entries
          WHERE account_name = ${account} AND position > ${after} AND position <= ${upTo}
            AND type IN ('certificate', 'release') AND payload->>'issuer' = ${issuerId}
          ORDER BY payload->>'serialNumber', position DESC) last
        WHERE replaced <= ${after} AND (type = 'release' OR (reason = 'superseded' AND NOT ${listSuperseded}))
        ORDER BY position`);
      return rows.map(({ serial, position, at }) => ({ serialNumber: serial, position: Number(position), at }));
    },

    /** What is known of these serial numbers under an issuer: device certificates, and authorities, which are valid while they exist. */
    async findSerials(issuerId: string, serialNumbers: string[]): Promise<KnownSerial[]> {
      const devices = await db.certificate.findMany({
        where: { issuerId, serialNumber: { in: serialNumbers } },
        select: { serialNumber: true, revokedAt: true, reason: true },
      });
      if (devices.length === serialNumbers.length) return devices;
      const children = await db.issuer.findMany({
        where: { OR: [{ parentId: issuerId }, { id: issuerId, parentId: null }] },
      });
      const authorities = children
        .map(({ certificateDer }) => serialOf(Buffer.from(certificateDer)))
        .filter((serialNumber) => serialNumbers.includes(serialNumber))
        .map((serialNumber) => ({ serialNumber, revokedAt: null, reason: null }));
      return [...devices, ...authorities];
    },
  };
}

type Row = NonNullable<Awaited<ReturnType<Database['crl']['findUnique']>>>;

function toRecord({ baseNumber, basePosition, basedAt, signature, ...row }: Row): CrlRecord {
  const base = baseNumber === null ? null : { number: baseNumber, position: basePosition!, at: basedAt! };
  // The version before this one wrote no signedAt, and leaves an old one where it signs a list again.
  const signedAt = row.signedAt && row.signedAt > row.thisUpdate ? row.signedAt : row.thisUpdate;
  return { ...row, signedAt, signature: Buffer.from(signature), base };
}

function baseColumns(base: CrlRecord['base']) {
  return base ? { baseNumber: base.number, basePosition: base.position, basedAt: base.at } : {};
}

/** The serial number of a certificate, lower-case hex, 40 digits. */
function serialOf(certificate: Buffer): string {
  return serialDigits(new X509Certificate(certificate).serialNumber);
}
