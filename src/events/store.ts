import { sql, type Database, type Transaction } from '../db/client.js';
import { takeDuty, type Duty } from '../db/duties.js';
import { proxyStaleSeconds } from '../limits.js';

export type WatchStore = ReturnType<typeof createWatchStore>;

// As many as the queue of a webhook holds.
const mostAtOnce = 10_000;

/** What happens by the passing of time alone: nobody changes anything, so the audit has none of it. */
export function createWatchStore(db: Database) {
  /** Does work for what came since the last time, and notes how far it came, in one transaction. */
  const since = async (
    { name, holder }: Duty,
    at: Date | undefined,
    work: (tx: Transaction, from: Date, to: Date) => Promise<unknown>,
  ): Promise<void> =>
    db.$transaction(async (tx) => {
      const [row] = await tx.$queryRaw<{ from: Date | null; now: Date }[]>(sql`
        SELECT done_at AS from, date_trunc('milliseconds', clock_timestamp()) AS now FROM duties
        WHERE name = ${name} AND holder = ${holder}::uuid FOR UPDATE`);
      if (!row) return;
      const to = at ?? row.now;
      // The first time there is nothing that came since.
      if (row.from) await work(tx, row.from, to);
      await tx.duty.update({ where: { name }, data: { doneAt: to } });
    });

  return {
    takeDuty: (duty: Duty, at: Date): Promise<boolean> => takeDuty(db, duty, at),

    /** Publishes each edge that fell silent since the last time, by the clock of the database, which confirmations have too. */
    tellStale: (duty: Duty): Promise<void> =>
      since(duty, undefined, async (tx, from, to) => {
        await tx.$executeRaw(sql`
          SELECT publish_event(p.account_name, 'stale-' || p.id || '-' || extract(epoch FROM p.confirmed_at), 'edge.stale', 'proxy:' || p.name,
            jsonb_build_object('edge', p.id, 'name', p.name, 'confirmedAt', to_char(p.confirmed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')), ${to})
          FROM proxies p WHERE p.confirmed_at + ${proxyStaleSeconds} * interval '1 second' > ${from}
            AND p.confirmed_at + ${proxyStaleSeconds} * interval '1 second' <= ${to}
            AND EXISTS (SELECT 1 FROM receivers r WHERE r.account_name = p.account_name AND 'edge.stale' = ANY(r.types))`);
      }),

    /**
     * Publishes each certificate of an active thing that began to run out since the last time, without a newer one beside it: seven days
     * before its end, or with four fifths of a shorter life over. `at` is now.
     */
    tellExpiring: (duty: Duty, at: Date): Promise<void> =>
      since(duty, at, (tx, from, to) => tx.$executeRaw(expiring(from, to))),
  };
}

const begins = sql`greatest(c.not_after - interval '7 days', c.created_at + (c.not_after - c.created_at) * 0.8)`;

const expiring = (from: Date, at: Date) => sql`
  SELECT publish_event(c.account_name, 'expiring-' || c.serial_number, 'certificate.expiring', 'thing:' || t.name, jsonb_build_object(
    'thingName', t.name, 'serialNumber', c.serial_number,
    'notAfter', to_char(c.not_after AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')), ${at})
  FROM (SELECT DISTINCT account_name FROM receivers WHERE kind = 'events' AND enabled AND 'certificate.expiring' = ANY(types)) a
  CROSS JOIN LATERAL (
    SELECT c.* FROM certificates c
    WHERE c.account_name = a.account_name AND c.not_after > ${at} AND c.not_after <= ${at}::timestamptz + interval '7 days' AND c.revoked_at IS NULL
      AND ${begins} > ${from} AND ${begins} <= ${at} LIMIT ${mostAtOnce}) c
  JOIN things t ON t.id = c.thing_id AND t.status = 'active'
  WHERE NOT EXISTS (SELECT 1 FROM certificates n
    WHERE n.thing_id = c.thing_id AND n.created_at > c.created_at AND n.revoked_at IS NULL)`;
