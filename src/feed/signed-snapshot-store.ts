import { sql, type Database } from '../db/client.js';
import { readHead } from '../log/head.js';

/** What a signed snapshot says of a revoked or held certificate, orphans included. */
type SnapshotCertificate = {
  serialNumber: string;
  issuer: string;
  reason: string;
  revokedAt: Date;
  notAfter: Date;
  /** Absent where only its serial number is known. */
  fingerprint: string | null;
  thingName: string | null;
  index: number | null;
  heldBySuspension: boolean;
};

/** A thing that is not active, or whose tokens are not all good. */
type SnapshotThing = { id: string; thingName: string; status: string; minGen: number };

/** The newest list of an authority that was signed. */
type SnapshotList = { issuer: string; number: bigint };

export type SignedSnapshotStore = ReturnType<typeof createSignedSnapshotStore>;

/** Reads what a signed snapshot says, all of one instant. */
export function createSignedSnapshotStore(db: Database) {
  return {
    /** Everything revoked, held or suspended in an account, and the place of that in the log, of one instant. */
    read: (account: string, at: Date) =>
      db.$transaction(
        async (tx) => {
          const { epoch, position } = await readHead(tx);
          const certificates = await tx.$queryRaw<SnapshotCertificate[]>(sql`
            SELECT c.serial_number AS "serialNumber", c.issuer_id AS issuer, c.reason, c.revoked_at AS "revokedAt", c.not_after AS "notAfter",
              c.fingerprint, COALESCE(t.former_name, t.name) AS "thingName", c.issuer_index::float8 AS index, c.held_by_suspension AS "heldBySuspension"
            FROM certificates c JOIN things t ON t.id = c.thing_id
            WHERE c.account_name = ${account} AND c.revoked_at IS NOT NULL AND c.not_after > ${at}
            UNION ALL
            SELECT o.serial_number, o.issuer_id, o.reason, o.revoked_at, o.not_after, o.fingerprint, o.thing_name, o.issuer_index::float8, false
            FROM orphaned_revocations o JOIN issuers i ON i.id = o.issuer_id
            WHERE i.account_name = ${account} AND o.not_after > ${at}
            ORDER BY 4, 1`);
          const things = await tx.$queryRaw<SnapshotThing[]>(sql`
            SELECT id, COALESCE(former_name, name) AS "thingName", status, min_gen AS "minGen" FROM things
            WHERE account_name = ${account} AND (status <> 'active' OR min_gen > 1) ORDER BY id`);
          const lists = await tx.$queryRaw<SnapshotList[]>(sql`
            SELECT c.issuer_id AS issuer, c.number FROM crls c JOIN issuers i ON i.id = c.issuer_id
            WHERE i.account_name = ${account} AND c.scope = 'complete' AND i.not_after > ${at} ORDER BY 1`);
          return { epoch, position, certificates, things, lists };
        },
        { isolationLevel: 'RepeatableRead' },
      ),
  };
}
