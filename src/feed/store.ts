import { sql, type Database } from '../db/client.js';
import { parseEntry, type LogEntry } from '../log/entries.js';
import { entryColumns } from '../log/reader.js';

/** Entries of one account, and how far the log was read to find them. */
export type FeedPage = { epoch: string; position: number; entries: LogEntry[]; more: boolean; pruned: number };

/** A certificate that lists name, in the words of the feed. */
export type ListedCertificate = {
  serialNumber: string;
  /** Null where only the serial number is known. */
  fingerprint: string | null;
  thingName: string | null;
  reason: string;
  revokedAt: Date;
};

/** A name whose tokens are not all good: what its present thing is. */
export type ListedThing = { thingName: string; status: string; minGen: number };

export type FeedStore = ReturnType<typeof createFeedStore>;

export function createFeedStore(db: Database) {
  return {
    /** The entries of an account after a position, of one instant, and the position up to which entries are gone. */
    async page(account: string, after: number, limit: number): Promise<FeedPage> {
      const [rows, head] = await db.$transaction(
        async (tx) => {
          const [at] = await tx.$queryRaw<{ epoch: string; position: bigint; pruned: bigint }[]>(
            sql`SELECT epoch, position, pruned FROM log_head`,
          );
          const found = await tx.$queryRaw<object[]>(sql`
            SELECT ${entryColumns} FROM log_entries e
            WHERE e.account_name = ${account} AND e.position > ${after} ORDER BY e.position LIMIT ${limit + 1}`);
          return [found, at!] as const;
        },
        { isolationLevel: 'RepeatableRead' },
      );
      const more = rows.length > limit;
      const entries = rows.slice(0, limit).map(parseEntry);
      // A page that holds all there is was read up to the head; a full one up to its last entry.
      const position = more ? entries.at(-1)!.position : Number(head.position);
      return { epoch: head.epoch, position, entries, more, pruned: Number(head.pruned) };
    },

    /** What is revoked, held, suspended or behind in an account now, and the place of that in the log. */
    snapshot: (account: string, at: Date) =>
      db.$transaction(
        async (tx) => {
          const [head] = await tx.$queryRaw<{ epoch: string; position: bigint }[]>(
            sql`SELECT epoch, position FROM log_head`,
          );
          const certificates = await tx.$queryRaw<ListedCertificate[]>(sql`
            SELECT c.serial_number AS "serialNumber", c.fingerprint, COALESCE(t.former_name, t.name) AS "thingName", c.reason, c.revoked_at AS "revokedAt"
            FROM certificates c JOIN things t ON t.id = c.thing_id
            WHERE c.account_name = ${account} AND c.revoked_at IS NOT NULL AND c.not_after > ${at}
            UNION ALL SELECT o.serial_number, o.fingerprint, o.thing_name, o.reason, o.revoked_at
            FROM orphaned_revocations o JOIN issuers i ON i.id = o.issuer_id
            WHERE i.account_name = ${account} AND o.not_after > ${at} ORDER BY 5, 1`);
          const things = await tx.$queryRaw<ListedThing[]>(sql`
            SELECT name AS "thingName", status, min_gen AS "minGen" FROM things
            WHERE account_name = ${account} AND former_name IS NULL AND (status <> 'active' OR min_gen > 1) ORDER BY name`);
          return { epoch: head!.epoch, position: Number(head!.position), certificates, things };
        },
        { isolationLevel: 'RepeatableRead' },
      ),
  };
}
