import { ConfigError } from '../config.js';
import type { OpenDatabase } from './client.js';

/** Which database it is and what is in it, so that a person sees whether it is the right one. */
export type DatabaseSummary = { place: string; accounts: number; things: number };

/** Counts what a database holds and changes nothing. @throws ConfigError when it is not a Thingward's */
export async function summarize({ session, place }: OpenDatabase): Promise<DatabaseSummary> {
  const [tables] = await session.query<{ there: boolean }>(
    `SELECT count(to_regclass(name)) = 4 AS there FROM unnest(ARRAY['accounts', 'things', 'log_head', '_prisma_migrations']) AS name`,
  );
  const [counted] = tables?.there
    ? await session.query<{ accounts: number; things: number }>(
        'SELECT (SELECT count(*)::int FROM accounts) AS accounts, (SELECT count(*)::int FROM things) AS things',
      )
    : [];
  if (counted && counted.accounts > 0) return { place, ...counted };
  throw new ConfigError(
    `the ${place} has no Thingward: set DATABASE_URL or THINGWARD_DATA_DIR to the values of the server; nothing was changed`,
  );
}
