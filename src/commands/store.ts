import { sql, type Database, type Transaction } from '../db/client.js';
import type { CommandState } from './schema.js';

/** A command without what it carries. */
export type ListedCommand = {
  id: string;
  ordinal: bigint;
  thingName: string;
  name: string;
  status: CommandState;
  createdAt: Date;
  createdBy: string;
  expiresAt: Date;
  claimedAt: Date | null;
  deliveredAt: Date | null;
  finishedAt: Date | null;
  reason: string | null;
};

/** A command with what it carries and was answered, both as JSON. */
export type StoredCommand = ListedCommand & { payload: string; result: string | null };

/** A thing that a command is for. */
export type Receiver = { id: string; status: string; thingType: string | null };

/** A command to make. */
export type CommandToMake = {
  id: string;
  thingId: string;
  thingName: string;
  name: string;
  payload: string;
  createdAt: Date;
  createdBy: string;
  expiresAt: Date;
};

/** How many commands are open: of a thing, and of its account. */
export type OpenCounts = { ofThing: number; ofAccount: number };

export type CommandStore = ReturnType<typeof createCommandStore>;

const prunedAtOnce = 10_000;

/** What a command is at a time: the chore that writes it down may come later. */
const statusAt = (now: Date) => sql`(CASE
  WHEN c.status = 'queued' AND c.expires_at <= ${now} THEN 'expired'
  WHEN c.status IN ('claimed', 'delivered') AND c.expires_at <= ${now} THEN 'unknown'
  WHEN c.status = 'claimed' THEN 'queued' ELSE c.status END)`;

const columnsAt = (now: Date) => sql`c.id, c.ordinal, c.thing_name AS "thingName", c.name, ${statusAt(now)} AS status,
  c.created_at AS "createdAt", c.created_by AS "createdBy", c.expires_at AS "expiresAt", c.claimed_at AS "claimedAt",
  c.delivered_at AS "deliveredAt", COALESCE(c.finished_at, CASE WHEN c.expires_at <= ${now} THEN c.expires_at END) AS "finishedAt", c.reason`;

/** Reads and writes commands. */
export function createCommandStore(db: Database) {
  return {
    async receiver(account: string, name: string): Promise<Receiver | undefined> {
      const [thing] = await db.$queryRaw<Receiver[]>(
        sql`SELECT id, status, thing_type AS "thingType" FROM things WHERE account_name = ${account} AND name = ${name}`,
      );
      return thing;
    },

    /** The thing, locked until the transaction ends, so that commands of one thing are counted one after the other. */
    async lock(tx: Transaction, account: string, name: string): Promise<Receiver | undefined> {
      const [thing] = await tx.$queryRaw<Receiver[]>(sql`
        SELECT id, status, thing_type AS "thingType" FROM things WHERE account_name = ${account} AND name = ${name} FOR NO KEY UPDATE`);
      return thing;
    },

    async countOpen(tx: Transaction, account: string, thing: string, most: number, now: Date): Promise<OpenCounts> {
      const [counts] = await tx.$queryRaw<{ ofThing: bigint; ofAccount: bigint }[]>(sql`
        SELECT (SELECT count(*) FROM commands WHERE account_name = ${account} AND thing_name = ${thing}
            AND finished_at IS NULL AND expires_at > ${now}) AS "ofThing",
          (SELECT count(*) FROM (SELECT 1 FROM commands WHERE account_name = ${account} AND finished_at IS NULL LIMIT ${most}) AS o) AS "ofAccount"`);
      return { ofThing: Number(counts!.ofThing), ofAccount: Number(counts!.ofAccount) };
    },

    async insert(tx: Transaction, account: string, made: CommandToMake): Promise<void> {
      await tx.$executeRaw(sql`
        INSERT INTO commands (id, account_name, thing_id, thing_name, name, payload, created_at, created_by, expires_at)
        VALUES (${made.id}::uuid, ${account}, ${made.thingId}::uuid, ${made.thingName}, ${made.name}, ${made.payload},
          ${made.createdAt}, ${made.createdBy}, ${made.expiresAt})`);
    },

    async find(account: string, thingId: string, id: string, now: Date): Promise<StoredCommand | undefined> {
      const [found] = await db.$queryRaw<StoredCommand[]>(sql`
        SELECT ${columnsAt(now)}, c.payload, c.result FROM commands c
        WHERE c.account_name = ${account} AND c.thing_id = ${thingId}::uuid AND c.id = ${id}::uuid`);
      return found;
    },

    /** Those of a thing, the newest first, from those before a place. */
    list(
      account: string,
      thing: { id: string; name: string },
      { status = null, name = null }: { status?: string | null | undefined; name?: string | null | undefined },
      { before = null, limit, now }: { before?: bigint | null | undefined; limit: number; now: Date },
    ): Promise<ListedCommand[]> {
      return db.$queryRaw<ListedCommand[]>(sql`
        SELECT ${columnsAt(now)} FROM commands c
        WHERE c.account_name = ${account} AND c.thing_name = ${thing.name} AND c.thing_id = ${thing.id}::uuid AND (${before}::bigint IS NULL OR c.ordinal < ${before})
          AND (${name}::text IS NULL OR c.name = ${name}) AND (${status}::text IS NULL OR ${statusAt(now)} = ${status})
        ORDER BY c.ordinal DESC LIMIT ${limit}`);
    },

    /** Writes down what the clock made of commands, some of them at a time. */
    async expire(now: Date): Promise<void> {
      await db.$executeRaw(sql`
        UPDATE commands c SET status = ${statusAt(now)}, finished_at = c.expires_at
        WHERE c.id IN (SELECT d.id FROM commands d WHERE d.finished_at IS NULL AND d.expires_at <= ${now}
          ORDER BY d.expires_at LIMIT ${prunedAtOnce} FOR UPDATE SKIP LOCKED)`);
    },

    /** Forgets commands that were over before a time, some of them at a time. */
    async prune(before: Date): Promise<void> {
      await db.$executeRaw(sql`
        DELETE FROM commands WHERE id IN (
          SELECT id FROM commands WHERE finished_at IS NOT NULL AND finished_at < ${before} LIMIT ${prunedAtOnce} FOR UPDATE SKIP LOCKED)`);
    },
  };
}
