import { X509Certificate } from 'node:crypto';
import { sql, type Transaction } from '../db/client.js';
import * as der from '../pki/der.js';
import type { Authority, Backup } from './sources.js';

/** Reads how old the backup is and which authorities it has. */
export async function readBackup(tx: Transaction, now: Date): Promise<Backup> {
  const [head] = await tx.$queryRaw<{ epoch: string; position: bigint; at: Date | null }[]>(sql`
    SELECT epoch, position, GREATEST((SELECT max(at) FROM log_entries), (SELECT max(at) FROM audit_entries),
      (SELECT max(created_at) FROM certificates)) AS at FROM log_head`);
  const issuers = await tx.issuer.findMany({
    where: { notAfter: { gt: now }, kind: { not: 'external' } },
    include: { crls: { where: { scope: { not: 'delta' } }, select: { url: true, number: true } } },
    orderBy: [{ accountName: 'asc' }, { id: 'asc' }],
  });
  const authorities = issuers.map(({ id, accountName, kind, notAfter, certificateDer, crls }): Authority => {
    const certificate = new X509Certificate(certificateDer);
    const numbers = new Map(crls.map(({ url, number }) => [url ?? '', number]));
    const subject = subjectOf(certificate.raw);
    return { id, account: accountName, notAfter, certificate, subject, issuesDevices: kind === 'issuing', numbers };
  });
  return { epoch: head!.epoch, position: Number(head!.position), lastAt: head!.at ?? new Date(0), authorities };
}

/** How many instances hold a lease. */
export async function liveInstances(tx: Pick<Transaction, '$queryRaw'>): Promise<number> {
  const [row] = await tx.$queryRaw<{ live: number }[]>(
    sql`SELECT count(*)::int AS live FROM instances WHERE lease_until > clock_timestamp()`,
  );
  return row!.live;
}

/** What may have gone back to what it was, by account. */
export type MayBeOld = { account: string; keys: string[]; policies: string[]; suspended: string[]; people: string[] };

/** Lists what a person has to look at: at most `most` of each kind. */
export async function readMayBeOld(tx: Transaction, now: Date, most: number): Promise<MayBeOld[]> {
  const accounts = await tx.account.findMany({ select: { name: true }, orderBy: { name: 'asc' } });
  const found: MayBeOld[] = [];
  for (const { name: account } of accounts) {
    const keys = await tx.apiKey.findMany({
      where: { accountName: account, deletedAt: null, OR: [{ expiresAt: null }, { expiresAt: { gt: now } }] },
      orderBy: { createdAt: 'asc' },
      take: most,
    });
    const policies = await tx.policy.findMany({
      where: { accountName: account },
      orderBy: { name: 'asc' },
      take: most,
    });
    const people = await tx.person.findMany({
      where: { accountName: account, deletedAt: null },
      select: { name: true, role: true, status: true },
      orderBy: { createdAt: 'desc' },
      take: most,
    });
    const suspended = await tx.thing.findMany({
      where: { accountName: account, status: 'suspended' },
      select: { name: true },
      orderBy: { name: 'asc' },
      take: most,
    });
    found.push({
      account,
      keys: keys.map(({ id, name, role }) => `${id} ${name ?? 'without a name'} (${role ?? 'a list of permissions'})`),
      policies: policies.map(({ name, activeVersion }) => `${name}@${activeVersion}`),
      suspended: suspended.map(({ name }) => name),
      people: people.map(({ name, role, status }) => `${name} (${role ?? 'permissions'}, ${status})`),
    });
  }
  return found;
}

/** The subject of a certificate in DER (RFC 5280 §4.1.2.6). */
function subjectOf(certificate: Buffer): Buffer {
  const [tbs] = der.members(der.readOne(certificate), der.tags.sequence);
  return der.members(tbs, der.tags.sequence)[5]!.bytes;
}
