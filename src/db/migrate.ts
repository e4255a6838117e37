import { createHash, randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigError } from '../config.js';
import type { SqlSession } from './client.js';

const directory = new URL('../../prisma/migrations/', import.meta.url);

// The number that `prisma migrate deploy` locks too, so that the two cannot meet.
const advisoryLock = 72_707_369;

// Less than the second after which PostgreSQL looks for deadlocks: it is this that gives way, and never a request of an instance that runs
// meanwhile; nor do requests queue behind a change that waits for a long one.
const lockTimeout = '500ms';
const attempts = 40;
const pauseMs = { least: 200, most: 2000 };

const migrationsTable = `CREATE TABLE "_prisma_migrations" (
  "id" VARCHAR(36) PRIMARY KEY NOT NULL, "checksum" VARCHAR(64) NOT NULL, "finished_at" TIMESTAMPTZ,
  "migration_name" VARCHAR(255) NOT NULL, "logs" TEXT, "rolled_back_at" TIMESTAMPTZ,
  "started_at" TIMESTAMPTZ NOT NULL DEFAULT now(), "applied_steps_count" INTEGER NOT NULL DEFAULT 0)`;

type Migration = { name: string; sql: string; checksum: string };
type Applied = { migration_name: string; checksum: string; logs: string | null };

/**
 * Applies the migrations that the database lacks, all in one transaction, and returns their names.
 * Keeps the table that Prisma's own tool keeps. Instances that start together wait for each other: the lock ends with the
 * transaction, because behind a pooler the next statement may run on another connection. Where requests of running instances
 * are in the way, it begins again.
 * @throws ConfigError when the database is of another program, or of a newer one, or may not be changed by this role, or is never free
 */
export async function migrate(session: SqlSession): Promise<string[]> {
  for (let attempt = 1; attempt <= attempts; attempt++) {
    const names = await migrateOnce(session).catch(unlessInTheWay);
    if (names) return names;
    await sleep(Math.min(pauseMs.least * attempt, pauseMs.most));
  }
  throw new ConfigError(
    `the tables were in use each of the ${attempts} times that the database should have been changed: end the transaction that holds them (pg_stat_activity names it), or stop the other instances, and start again`,
  );
}

const inTheWay: ReadonlySet<unknown> = new Set(['55P03', '40P01']);

function unlessInTheWay(error: unknown): undefined {
  if (!inTheWay.has((error as { code?: unknown }).code)) throw error;
}

async function migrateOnce(session: SqlSession): Promise<string[]> {
  await session.exec('BEGIN');
  try {
    await session.query('SELECT pg_advisory_xact_lock($1)', [advisoryLock]);
    const own = readMigrations();
    const applied = await readApplied(session);
    requireKnown(own, applied ?? []);
    const missing = own.filter(({ name }) => !applied?.some((each) => each.migration_name === name));
    if (missing.length > 0) await session.exec(`SET LOCAL lock_timeout = '${lockTimeout}'`);
    await applyAll(session, missing, applied === undefined);
    await session.exec('COMMIT');
    return missing.map(({ name }) => name);
  } catch (error) {
    await session.exec('ROLLBACK');
    throw error;
  }
}

/** What was applied; undefined where nothing ever was. Needs no right to create anything: see docs/postgresql.md. */
async function readApplied(session: SqlSession): Promise<Applied[] | undefined> {
  const [found] = await session.query<{ is_there: boolean }>(
    `SELECT to_regclass('"_prisma_migrations"') IS NOT NULL AS is_there`,
  );
  if (!found?.is_there) return undefined;
  return session.query<Applied>(
    'SELECT migration_name, checksum, logs FROM "_prisma_migrations" WHERE finished_at IS NOT NULL',
  );
}

/** @throws ConfigError for a database that this program would misread */
function requireKnown(own: Migration[], applied: Applied[]): void {
  const checksums = new Map(own.map(({ name, checksum }) => [name, checksum]));
  const changed = applied.find(({ migration_name: name, checksum }) => (checksums.get(name) ?? checksum) !== checksum);
  if (changed)
    throw new ConfigError(
      `migration ${changed.migration_name} was applied in another form: this program and the database do not match. Start the version that last ran on it, or restore its backup`,
    );
  const newer = applied.filter(({ migration_name: name, logs }) => !checksums.has(name) && !runsWith(logs, checksums));
  if (newer.length === 0) return;
  const names = newer.map(({ migration_name: name }) => name).sort();
  throw new ConfigError(
    `a newer Thingward has changed the database, and this version cannot run on it (${names.length} migrations, the last is ${names.at(-1)}): start the newer version, or restore the backup that you made before the upgrade (docs/upgrade.md)`,
  );
}

const declaration = /^-- runs with: (\w{1,255})$/m;

/** Whether a newer migration names one of this program, and so lets it continue. */
function runsWith(logs: string | null, own: Map<string, string>): boolean {
  const [, name] = declaration.exec(logs ?? '') ?? [];
  return name !== undefined && own.has(name);
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

const insufficientPrivilege = '42501';

async function applyAll(session: SqlSession, missing: Migration[], isNew: boolean): Promise<void> {
  try {
    if (isNew) await session.exec(migrationsTable);
    for (const migration of missing) await apply(session, migration);
  } catch (error) {
    if ((error as { code?: unknown }).code !== insufficientPrivilege) throw error;
    throw new ConfigError(
      `the database lacks ${missing.length} migrations, and this role may not make them (${(error as Error).message}): run \`thingward migrate\` with DATABASE_URL of the role that owns the tables, then start again`,
    );
  }
}

async function apply(session: SqlSession, { name, sql, checksum }: Migration): Promise<void> {
  await session.exec(sql);
  await session.query(
    `INSERT INTO "_prisma_migrations" (id, checksum, finished_at, migration_name, applied_steps_count, logs)
     VALUES ($1, $2, now(), $3, 1, $4)`,
    [randomUUID(), checksum, name, declaration.exec(sql)?.[0] ?? null],
  );
}
