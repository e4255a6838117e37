import { addSeconds } from '../clock.js';
import { sql, type Database } from '../db/client.js';
import { noteDone, takeDuty, type Duty } from '../db/duties.js';
import type { Counted } from './counters.js';
import { auditNames, auditQueries, gaugeQueries, replace } from './gauges-sql.js';
import { figureOf, figures, type FigureName, type Fold } from '../metrics/names.js';

/** A value of a whole, or of one of its parts, at the beginning of a step. */
export type Point = { label: string; at: Date; value: number };

export type FigureStore = ReturnType<typeof createFigureStore>;

const gaugeNames = Object.entries(figures).flatMap(([name, { kind }]) => (kind === 'gauge' ? [name] : []));
const keptSeconds = 86_400;
const thinnedAfterSeconds = 7200;
const prunedAtOnce = 20_000;
const lookBackMinutes = 2;

const folds: Record<Fold, ReturnType<typeof sql>> = {
  sum: sql`sum(value)`,
  max: sql`max(value)`,
  min: sql`min(value)`,
};

/** The beginning of a minute. */
export const minuteOf = (at: Date): Date => new Date(Math.floor(at.getTime() / 60_000) * 60_000);

/** Figures of accounts by the minute. */
export function createFigureStore(db: Database) {
  return {
    takeDuty: (duty: Duty, at: Date): Promise<boolean> => takeDuty(db, duty, at),
    noteDone: (duty: Duty, at: Date): Promise<void> => noteDone(db, duty, at),

    /** Adds what was counted to a minute. An account that does not exist has no figures. */
    async add(minute: Date, counted: Counted[]): Promise<void> {
      await db.$executeRaw(sql`
        INSERT INTO figures AS f (account_name, name, minute, label, value)
        SELECT r.account, r.name, ${minute}, r.label, r.value
        FROM jsonb_to_recordset(${JSON.stringify(counted)}::jsonb) AS r(account text, name text, label text, value float8)
        JOIN accounts a ON a.name = r.account ORDER BY 1, 2, 4
        ON CONFLICT (account_name, name, minute, label) DO UPDATE SET value = f.value + EXCLUDED.value`);
    },

    /** Reads all gauges of all accounts now, and again what the audit has of the last minutes. */
    async read(at: Date): Promise<void> {
      const minute = minuteOf(at);
      const from = addSeconds(minute, -60 * lookBackMinutes);
      await db.$transaction(async (tx) => {
        const gauges = gaugeQueries(at).map(
          (query) => sql`SELECT account_name, name, label, ${minute}::timestamptz, value FROM (${query}) q`,
        );
        await replace(tx, minute, gaugeNames, gauges);
        const counts = auditQueries(from).map(
          (query) => sql`SELECT account_name, name, label, minute, value FROM (${query}) q`,
        );
        await replace(tx, from, auditNames, counts);
      });
    },

    /** The whole and its parts, in steps of so many seconds. */
    async points(account: string, name: FigureName, from: Date, to: Date, step: number): Promise<Point[]> {
      return db.$queryRaw<Point[]>(sql`
        SELECT label, to_timestamp(floor(extract(epoch FROM minute) / ${step}::int) * ${step}::int) AS at,
          ${folds[figureOf(name).fold]}::float8 AS value
        FROM figures WHERE account_name = ${account} AND name = ${name} AND minute >= ${from} AND minute < ${to}
        GROUP BY 1, 2 ORDER BY 2`);
    },

    /** Forgets what is older than a day, and keeps of the parts of a whole every ten minutes alone after two hours. */
    async prune(at: Date): Promise<void> {
      const [end, thinned] = [addSeconds(at, -keptSeconds), addSeconds(minuteOf(at), -thinnedAfterSeconds)];
      await db.$executeRaw(sql`
        DELETE FROM figures WHERE ctid IN (SELECT ctid FROM figures WHERE minute < ${end} LIMIT ${prunedAtOnce})`);
      await db.$executeRaw(sql`
        WITH old AS (
          DELETE FROM figures WHERE ctid IN (
            SELECT ctid FROM figures WHERE minute < ${thinned} AND label <> '' AND extract(minute FROM minute)::int % 10 <> 0 LIMIT ${prunedAtOnce})
          RETURNING *),
        folded AS (
          SELECT account_name, name, label, to_timestamp(floor(extract(epoch FROM minute) / 600) * 600) AS minute,
            sum(value) AS total, max(value) AS most FROM old GROUP BY 1, 2, 3, 4)
        INSERT INTO figures AS f (account_name, name, minute, label, value)
        SELECT account_name, name, minute, label, CASE WHEN name = ANY(${gaugeNames}) THEN most ELSE total END FROM folded
        ON CONFLICT (account_name, name, minute, label) DO UPDATE SET
          value = CASE WHEN EXCLUDED.name = ANY(${gaugeNames}) THEN greatest(f.value, EXCLUDED.value) ELSE f.value + EXCLUDED.value END`);
    },
  };
}
