import type { AppendAudit } from '../audit/store.js';
import { sql, type Commit, type Transaction } from '../db/client.js';
import type { AppendLog } from '../log/append.js';
import { revokedEntry, tokenFamilyEntry, type LoggedCertificate } from '../log/builders.js';
import type { Origin } from '../origin.js';
import type { RevocationReason } from '../pki/crl.js';
import type { HeldCertificate } from '../registry.js';
import { canComeBack } from '../renewal-grace-sql.js';

type Deps = { commit: Commit; audit: AppendAudit; log: AppendLog };

/** Notes that the key of a certificate signed something for Thingward. */
export type MarkUsed = (certificate: HeldCertificate, origin: Origin, at: Date) => Promise<void>;

/** Certificates that a first use ends, and why. */
type Ending = { reason: RevocationReason; certificates: (LoggedCertificate & { spkiSha256: Uint8Array })[] };

/**
 * Returns the function that notes the first use of a certificate, which only a proof of its key is. The first use of
 * a renewal supersedes what is older; that of a re-enrollment revokes everything that does not descend from it.
 * Refresh families end with their certificates.
 */
export function createFirstUse({ commit, audit, log }: Deps): MarkUsed {
  return async (certificate, origin, at) => {
    if (certificate.firstUsedAt) return;
    await commit(async (tx) => {
      // The thing first, as whoever revokes does: else the two could deadlock, or a hold undo what was superseded.
      await tx.$queryRaw(sql`SELECT 1 FROM things WHERE id = ${certificate.thing.id}::uuid FOR UPDATE`);
      const { count } = await tx.certificate.updateMany({
        where: { serialNumber: certificate.serialNumber, firstUsedAt: null },
        data: { firstUsedAt: at },
      });
      if (count === 0) return;
      const { reason, certificates } = await endingBy(tx, certificate, at);
      if (certificates.length === 0) return;
      const { account, name } = certificate.thing;
      const serialNumbers = certificates.map(({ serialNumber }) => serialNumber);
      await end(tx, certificates, reason, account, at);
      const families = await endFamilies(tx, serialNumbers, at);
      const action = reason === 'superseded' ? 'certificate.supersede' : 'certificate.revoke';
      const detail = { serialNumbers, reason, by: certificate.serialNumber };
      await audit(tx, { at, account, origin, action, target: `thing:${name}`, detail });
      await log(tx, at, [
        ...certificates.map((each) => revokedEntry({ account, thingName: name }, each, reason)),
        ...families.map((family) => tokenFamilyEntry({ account, thingName: name }, family)),
      ]);
    });
  };
}

async function endingBy(tx: Transaction, certificate: HeldCertificate, at: Date): Promise<Ending> {
  const reenrollment = await reenrollmentOf(tx, certificate.serialNumber);
  if (!reenrollment) return { reason: 'superseded', certificates: await older(tx, certificate, at) };
  const reason = (reenrollment.reason ?? 'cessationOfOperation') as RevocationReason;
  return { reason, certificates: await unrelated(tx, certificate, reenrollment.createdAt, reason, at) };
}

/** The re-enrollment that gave a certificate; undefined for those of first boots and renewals. */
async function reenrollmentOf(
  tx: Transaction,
  serialNumber: string,
): Promise<{ reason: string | null; createdAt: Date } | undefined> {
  const [row] = await tx.$queryRaw<{ reason: string | null; createdAt: Date }[]>(sql`
    SELECT e.reenroll_reason AS reason, e.created_at AS "createdAt" FROM certificates c JOIN enrollments e ON e.id = c.enrollment_id
    WHERE c.serial_number = ${serialNumber} AND c.renews IS NULL AND e.reenrolls_thing_id IS NOT NULL`);
  return row;
}

const ended = sql`
  c.serial_number AS "serialNumber", c.fingerprint, c.spki_sha256 AS "spkiSha256", c.issuer_id AS "issuerId",
  c.issuer_index AS "issuerIndex", c.crl_scope AS "crlScope", c.not_after AS "notAfter", c.revoked_at AS "revokedAt",
  c.revoked_position AS "revokedPosition"`;

/** What a renewal supersedes: everything older of its thing but the certificate of a re-enrollment that waits for its first use. */
function older(tx: Transaction, { serialNumber, thing, createdAt }: HeldCertificate, at: Date) {
  return tx.$queryRaw<Ending['certificates']>(sql`
    SELECT ${ended} FROM certificates c LEFT JOIN enrollments e ON e.id = c.enrollment_id
    WHERE c.thing_id = ${thing.id}::uuid AND c.serial_number <> ${serialNumber} AND c.created_at <= ${createdAt}
      AND c.revoked_at IS NULL AND ${canComeBack(at)}
      AND NOT (c.first_used_at IS NULL AND c.renews IS NULL AND e.reenrolls_thing_id IS NOT NULL)
    ORDER BY c.created_at, c.serial_number`);
}

/**
 * What the certificate of a re-enrollment ends: everything of its thing, whenever it was made, that neither descends
 * from it nor comes from a later re-enrollment. What is held, or superseded by a renewal and so on no list, is revoked
 * for good; other reasons change to keyCompromise only.
 */
function unrelated(
  tx: Transaction,
  { serialNumber, thing }: HeldCertificate,
  openedAt: Date,
  reason: string,
  at: Date,
) {
  return tx.$queryRaw<Ending['certificates']>(sql`
    WITH RECURSIVE own AS (
      SELECT ${serialNumber}::text AS serial_number
      UNION SELECT r.serial_number FROM certificates r JOIN own ON r.renews = own.serial_number)
    SELECT ${ended} FROM certificates c LEFT JOIN enrollments e ON e.id = c.enrollment_id
    WHERE c.thing_id = ${thing.id}::uuid AND ${canComeBack(at)}
      AND c.serial_number NOT IN (SELECT serial_number FROM own)
      AND NOT (c.renews IS NULL AND e.reenrolls_thing_id IS NOT NULL AND e.created_at > ${openedAt})
      AND (c.revoked_at IS NULL OR c.reason IN ('certificateHold', 'superseded') OR (${reason} = 'keyCompromise' AND c.reason <> 'keyCompromise'))
    ORDER BY c.created_at, c.serial_number`);
}

async function end(
  tx: Transaction,
  certificates: Ending['certificates'],
  reason: string,
  account: string,
  at: Date,
): Promise<void> {
  const serialNumbers = certificates.map(({ serialNumber }) => serialNumber);
  await tx.$executeRaw(sql`
    UPDATE certificates SET revoked_at = COALESCE(revoked_at, ${at}), reason = ${reason}, held_by_suspension = false
    WHERE serial_number = ANY(${serialNumbers})`);
  if (reason !== 'keyCompromise') return;
  const keys = certificates.map(({ spkiSha256 }) => new Uint8Array(spkiSha256));
  await tx.thingKey.updateMany({
    where: { accountName: account, spkiSha256: { in: keys }, barredAt: null },
    data: { barredAt: at },
  });
}

async function endFamilies(tx: Transaction, serialNumbers: string[], at: Date): Promise<string[]> {
  const rows = await tx.$queryRaw<{ id: string }[]>(sql`
    UPDATE refresh_families SET revoked_at = ${at} WHERE serial_number = ANY(${serialNumbers}) AND revoked_at IS NULL RETURNING id`);
  return rows.map(({ id }) => id);
}
