import { ConfigError } from '../config.js';
import { sql, type Database } from './client.js';

/** What the settings of a PostgreSQL say of a commit that it acknowledged. */
export type Durability = { commit: string; standbys: string; fsync: string; pages: string };

/** Reads it as the sessions of this role have it. */
export async function readDurability(db: Pick<Database, '$queryRaw'>): Promise<Durability> {
  const [row] = await db.$queryRaw<Durability[]>(sql`
    SELECT current_setting('synchronous_commit') AS commit, current_setting('synchronous_standby_names') AS standbys,
      current_setting('fsync') AS fsync, current_setting('full_page_writes') AS pages`);
  return row!;
}

const safeCommits = ['on', 'remote_apply'];

/** What is at risk, a sentence for each setting, for the person who may change it. */
export function risksOf({ commit, standbys, fsync, pages }: Durability): string[] {
  const risks: string[] = [];
  if (fsync !== 'on')
    risks.push('fsync is off: a power cut can lose revocations that were acknowledged, or the database');
  if (pages !== 'on') risks.push('full_page_writes is off: a power cut can damage the database');
  if (commit === 'off') risks.push('synchronous_commit is off: a crash can lose revocations that were acknowledged');
  else if (standbys === '')
    risks.push(
      'synchronous_standby_names is empty: the loss of the machine of the database can lose what was acknowledged',
    );
  else if (!safeCommits.includes(commit))
    risks.push(`synchronous_commit is ${commit}: a standby that is promoted may lack what was acknowledged`);
  return risks;
}

/** @throws ConfigError where a commit may be acknowledged that no standby has on its disk */
export function requireStandby({ commit, standbys }: Durability): void {
  const wanted = 'DATABASE_STANDBY=required wants every commit on a standby';
  if (!safeCommits.includes(commit))
    throw new ConfigError(`${wanted}, and synchronous_commit is ${commit}: set it to on (docs/postgresql.md)`);
  if (standbys === '')
    throw new ConfigError(
      `${wanted}, and synchronous_standby_names is empty: name the standbys there (docs/postgresql.md)`,
    );
}
