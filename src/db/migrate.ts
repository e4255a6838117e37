import { createHash, randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import type { SqlSession } from './client.js';

const directory = new URL('../../prisma/migrations/', import.meta.url);

// The number that `prisma migrate deploy` locks too, so that the two cannot meet.
const advisoryLock = 72_707_369;

const migrationsTable = `CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
  "id" VARCHAR(36) PRIMARY KEY NOT NULL, "checksum" VARCHAR(64) NOT NULL, "finished_at" TIMESTAMPTZ,
  "migration_name" VARCHAR(255) NOT NULL, "logs" TEXT, "rolled_back_at" TIMESTAMPTZ,
  "started_at" TIMESTAMPTZ NOT NULL DEFAULT now(), "applied_steps_count" INTEGER NOT NULL DEFAULT 0)`;

type Migration = { name: string; sql: string; checksum: string };

/**
 * Applies the migrations that the database lacks, all in one transaction, and returns their names.
 * Keeps the table that Prisma's own tool keeps. Instances that start together wait for each other: the lock ends with the
 * transaction, because behind a pooler the next statement may run on another connection.
 * @throws Error when an applied migration is not the one in this program.
 */
export async function migrate(session: SqlSession): Promise<string[]> {
  await session.exec('BEGIN');
  try {
    await session.query('SELECT pg_advisory_xact_lock($1)', [advisoryLock]);
    await session.exec(migrationsTable);
    const rows = await session.query<{ migration_name: string; checksum: string }>(
      'SELECT migration_name, checksum FROM "_prisma_migrations" WHERE finished_at IS NOT NULL',
    );
    const applied = new Map(rows.map((row) => [row.migration_name, row.checksum]));
    const missing = readMigrations().filter((migration) => isMissing(migration, applied));
    for (const migration of missing) await apply(session, migration);
    await session.exec('COMMIT');
    return missing.map(({ name }) => name);
  } catch (error) {
    await session.exec('ROLLBACK');
    throw error;
  }
}

function isMissing({ name, checksum }: Migration, applied: Map<string, string>): boolean {
  const known = applied.get(name);
  if (known !== undefined && known !== checksum) {
    throw new Error(`migration ${name} was applied in another form: this program and the database do not match`);
  }
  return known === undefined;
}

function readMigrations(): Migration[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => {
      const sql = readFileSync(new URL(`${name}/migration.sql`, directory), 'utf8');
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function apply(session: SqlSession, { name, sql, checksum }: Migration): Promise<void> {
  await session.exec(sql);
  await session.query(
    `INSERT INTO "_prisma_migrations" (id, checksum, finished_at, migration_name, applied_steps_count)
     VALUES ($1, $2, now(), $3, 1)`,
    [randomUUID(), checksum, name],
  );
}
