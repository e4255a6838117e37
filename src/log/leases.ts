import { randomUUID } from 'node:crypto';
import type { Stopwatch } from '../clock.js';
import { sql, type Database } from '../db/client.js';
import { DomainError } from '../errors.js';
import type { Tell } from '../logging.js';
import type { LogReader } from './reader.js';

/** How long an instance may continue without an answer of the database. */
export const leaseMs = 2000;
// Less than the database grants, for clocks that do not run alike.
const usableMs = leaseMs - 100;
const renewEveryMs = 500;
const settleAtMostMs = 10_000;

/** Keeps what this instance says true on every instance (docs/architecture.md, Leases and the barrier). */
export type Leases = {
  /** True while answers that depend on the log may be given. */
  held(): boolean;
  /** Resolves when every instance that may answer has applied what was committed before the call. */
  settle(): Promise<void>;
  /** Reads the log now: somebody wrote to it. */
  hint(): void;
  stop(): Promise<void>;
};

/** The one instance of an embedded database: what it has read, all have read. */
export function soleInstance(reader: Pick<LogReader, 'catchUp'>): Leases {
  return { held: () => true, settle: () => reader.catchUp(), hint: () => {}, stop: async () => {} };
}

/** What every instance sees of the others. */
export type InstanceTable = {
  /** Renews a lease by the clock of the database, and says how far its holder has applied the log. */
  grant(id: string, applied: number): Promise<void>;
  /** Whether another instance holds its lease and has not come to a position. */
  isLagging(id: string, position: number): Promise<boolean>;
  forget(id: string): Promise<void>;
};

type Reader = Pick<LogReader, 'catchUp' | 'position'>;

type Deps = { table: InstanceTable; reader: Reader; stopwatch: () => Stopwatch; tell: Tell };

/** One of many instances. Resolves once the first lease is held. */
export async function joinInstances({ table, reader, stopwatch, tell }: Deps): Promise<Leases> {
  const id = randomUUID();
  let granted: Stopwatch | undefined;
  let cycling: Promise<void> | undefined;
  let again = false;
  let failures = 0;

  // INVARIANT: a lease counts only once the log was read after it was granted. A revocation that was acknowledged
  // while this instance had no lease is in that reading; one that commits later waits for this instance.
  const renew = async (): Promise<void> => {
    await reader.catchUp();
    for (;;) {
      const sent = stopwatch();
      const applied = reader.position();
      await table.grant(id, applied);
      await reader.catchUp();
      granted = sent;
      if (reader.position() === applied) return;
    }
  };

  const noteSuccess = (): void => {
    if (failures > 0) tell.warn({ failures }, `the lease is renewed again, after failing ${failures} times`);
    failures = 0;
  };

  const noteFailure = (err: unknown): void => {
    if (failures++ > 0) return;
    tell.error(
      { err },
      'the lease was not renewed: this instance stops answering until the database answers, and a line here says when',
    );
  };

  const cycle = (): Promise<void> => {
    if (cycling) {
      again = true;
      return cycling;
    }
    cycling = renew()
      .then(noteSuccess, noteFailure)
      .finally(() => {
        cycling = undefined;
        if (again) void cycle();
        again = false;
      });
    return cycling;
  };

  await renew();
  const timer = setInterval(() => void cycle(), renewEveryMs);
  timer.unref();

  return {
    held: () => granted !== undefined && granted() < usableMs,
    async settle() {
      const waited = stopwatch();
      await reader.catchUp();
      const position = reader.position();
      for (let pause = 1; await table.isLagging(id, position); pause = Math.min(pause * 2, 50)) {
        if (waited() > settleAtMostMs)
          throw new DomainError(
            'not-ready',
            'an instance holds its lease but does not read the log: check the log file of that instance',
            {
              retryAfter: 1,
            },
          );
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    },
    hint: () => void cycle(),
    async stop() {
      clearInterval(timer);
      await cycling;
      granted = undefined;
      await table.forget(id);
    },
  };
}

/** The table in the database. Its clock decides; instances gone for long are forgotten. `keyId` names the key that this one seals with. */
export function createInstanceTable(db: Database, keyId: string): InstanceTable {
  return {
    async grant(id, applied) {
      await db.$executeRaw(sql`
        WITH gone AS (DELETE FROM instances WHERE lease_until < clock_timestamp() - interval '1 hour' AND id <> ${id}::uuid)
        INSERT INTO instances (id, applied, key_id, lease_until)
        VALUES (${id}::uuid, ${applied}, ${keyId}, clock_timestamp() + ${leaseMs} * interval '1 millisecond')
        ON CONFLICT (id) DO UPDATE SET applied = excluded.applied, lease_until = excluded.lease_until`);
    },
    async isLagging(id, position) {
      const rows = await db.$queryRaw<object[]>(sql`
        SELECT 1 FROM instances WHERE id <> ${id}::uuid AND lease_until > clock_timestamp() AND applied < ${position} LIMIT 1`);
      return rows.length > 0;
    },
    async forget(id) {
      await db.$executeRaw(sql`DELETE FROM instances WHERE id = ${id}::uuid`);
    },
  };
}
