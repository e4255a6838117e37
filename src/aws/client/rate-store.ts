import { sql, type Database } from '../../db/client.js';
import type { AwsCall } from './calls.js';

// A clock that was ahead must not keep everybody waiting for as long as it was.
const mostWaiting = 256;

/** Turns of calls, given out evenly to all instances together: a token bucket that holds one token. */
export function createRateStore(db: Database) {
  return {
    /** Takes the next turn. Returns how many milliseconds it is away. */
    async take(account: string, call: AwsCall, perSecond: number, at: Date): Promise<number> {
      const [row] = await db.$queryRaw<[{ ms: number }]>(sql`
        INSERT INTO aws_rates (account_name, call, next_at) VALUES (${account}, ${call}, ${at}::timestamptz + ${1 / perSecond} * interval '1 second')
        ON CONFLICT (account_name, call) DO UPDATE
          SET next_at = GREATEST(LEAST(aws_rates.next_at, ${at}::timestamptz + ${mostWaiting / perSecond + 10} * interval '1 second'), ${at}::timestamptz) + ${1 / perSecond} * interval '1 second'
        RETURNING (EXTRACT(EPOCH FROM next_at - ${at}::timestamptz) * 1000)::float8 AS ms`);
      return Math.max(0, row.ms - 1000 / perSecond);
    },

    /** Gives no turn before this. */
    async holdBack(account: string, call: string, until: Date): Promise<void> {
      await db.$executeRaw(sql`
        UPDATE aws_rates SET next_at = GREATEST(next_at, ${until}) WHERE account_name = ${account} AND call = ${call}`);
    },
  };
}
