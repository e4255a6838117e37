import { sql, type Database } from '../db/client.js';
import { hiddenTypes, parseEntry, type LogEntry } from '../log/entries.js';
import { readHead } from '../log/head.js';
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

/** Serial numbers are hex digits: in every collation they come before this. */
const afterAllSerials = 'g';

export type FeedStore = ReturnType<typeof createFeedStore>;

const pageRows = 1000;
// Documents of policies are long: of entries that are large, a page holds few.
const octetsOfPage = 1024 * 1024;

/** Reads pages of the feed and what a snapshot holds. */
export function createFeedStore(db: Database, rowsOfPage = pageRows) {
  // INVARIANT: pages are ordered by what never changes of a row. What is revoked all the while is in exactly one of them.
  const pages = async function* <Row>(read: (last: Row | undefined) => Promise<Row[]>): AsyncGenerator<Row[]> {
    for (let last: Row | undefined; ;) {
      const rows = await read(last);
      if (rows.length > 0) yield rows;
      if (rows.length < rowsOfPage) return;
      last = rows.at(-1);
    }
  };

  const certificates = async function* (account: string, at: Date): AsyncGenerator<ListedCertificate[]> {
    for (const { id } of await db.issuer.findMany({ where: { accountName: account }, select: { id: true } })) {
      yield* pages<ListedCertificate & { notAfter: Date }>((last) =>
        db.$queryRaw(sql`
          SELECT c.serial_number AS "serialNumber", c.fingerprint, COALESCE(t.former_name, t.name) AS "thingName", c.reason,
            c.revoked_at AS "revokedAt", c.not_after AS "notAfter"
          FROM certificates c JOIN things t ON t.id = c.thing_id
          WHERE c.issuer_id = ${id} AND c.account_name = ${account} AND c.revoked_at IS NOT NULL
            AND (c.not_after, c.serial_number) > (${last?.notAfter ?? at}, ${last?.serialNumber ?? afterAllSerials})
          ORDER BY c.not_after, c.serial_number LIMIT ${rowsOfPage}`),
      );
      yield* pages<ListedCertificate>((last) =>
        db.$queryRaw(sql`
          SELECT serial_number AS "serialNumber", fingerprint, thing_name AS "thingName", reason, revoked_at AS "revokedAt"
          FROM orphaned_revocations
          WHERE issuer_id = ${id} AND not_after > ${at} AND serial_number > ${last?.serialNumber ?? ''}
          ORDER BY serial_number LIMIT ${rowsOfPage}`),
      );
    }
  };

  const things = (account: string): AsyncGenerator<ListedThing[]> =>
    pages<ListedThing>((last) =>
      db.$queryRaw(sql`
        SELECT name AS "thingName", status, min_gen AS "minGen" FROM things
        WHERE account_name = ${account} AND former_name IS NULL AND (status <> 'active' OR min_gen > 1)
          AND name > ${last?.thingName ?? ''}
        ORDER BY name LIMIT ${rowsOfPage}`),
    );

  return {
    /**
     * The entries of an account after a position, of one instant and not of hidden types: at least one, if there is one. And the
     * position up to which entries are gone.
     */
    async page(
      account: string,
      after: number,
      limit: number,
      hidden: readonly string[] = hiddenTypes,
    ): Promise<FeedPage> {
      const [rows, head] = await db.$transaction(
        async (tx) => {
          const at = await readHead(tx);
          const found = await tx.$queryRaw<{ further: bigint }[]>(sql`
            SELECT ${entryColumns}, e.further FROM (
              SELECT *, sum(size) OVER (ORDER BY position) - size AS before, count(*) OVER () - row_number() OVER (ORDER BY position) AS further FROM (
                SELECT *, octet_length(payload::text) AS size FROM log_entries
                WHERE account_name = ${account} AND position > ${after} AND type <> ALL(${[...hidden]}::text[])
                ORDER BY position LIMIT ${limit + 1}) sized) e
            WHERE e.before < ${octetsOfPage} ORDER BY e.position LIMIT ${limit}`);
          return [found, at] as const;
        },
        { isolationLevel: 'RepeatableRead' },
      );
      const more = (rows.at(-1)?.further ?? 0n) > 0n;
      const entries = rows.map(parseEntry);
      // A page that holds all there is was read up to the head; a full one up to its last entry.
      const position = more ? entries.at(-1)!.position : head.position;
      return { epoch: head.epoch, position, entries, more, pruned: head.pruned };
    },

    /**
     * What is revoked, held, suspended or behind in an account now, page by page, and a place in the log that was read before.
     * What is in none of the pages because it changed meanwhile is in the log after that place.
     */
    async snapshot(account: string, at: Date) {
      const { epoch, position } = await readHead(db);
      return { epoch, position, certificates: certificates(account, at), things: things(account) };
    },
  };
}
