import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { awsTuning } from './aws/client/tuning.js';
import { createStopwatch, systemClock } from './clock.js';
import { ConfigError, parseSealingKey, type Config } from './config.js';
import { openPostgres, type OpenDatabase, type Others } from './db/client.js';
import { readDurability, requireStandby, risksOf } from './db/durability.js';
import { openEmbedded } from './db/embedded.js';
import { migrate } from './db/migrate.js';
import { summarize, type DatabaseSummary } from './db/summary.js';
import type { Surroundings } from './door.js';
import { ensureLogHead } from './log/append.js';
import { createSealer, type Sealer } from './sealing.js';
import type { Services } from './services.js';

/** Everything that the program runs on, open and migrated. */
export type OpenResources = { database: OpenDatabase; services: Services; migrated: string[]; close(): Promise<void> };

const nobody = (): void => {};
const alone: Surroundings = {
  clock: systemClock,
  stopwatch: createStopwatch,
  tell: { info: nobody, warn: nobody, error: nobody },
  onError: nobody,
  aws: awsTuning,
};

/**
 * Opens the database that the settings name, making it where there is none, brings it up to date and builds the
 * services on it. @throws ConfigError
 */
export async function openResources(config: Config, surroundings: Partial<Surroundings> = {}): Promise<OpenResources> {
  // The embedded engine is compiled off this thread; meanwhile this one reads the rest of the program.
  const [database] = await Promise.all([openDatabase(config), loadServices()]);
  return build(database, config, { ...alone, ...surroundings });
}

type Agree = (summary: DatabaseSummary, database: OpenDatabase) => Promise<void>;

/**
 * The same on a database that exists and holds a Thingward: nothing is made or changed before `agree` has seen which
 * one it is and resolved. @throws ConfigError, also when there is none
 */
export async function openExisting(config: Config, agree: Agree): Promise<OpenResources> {
  return build(await openAgreed(config, agree), config, alone);
}

/** The database alone, brought up to date, on the same conditions. @throws ConfigError */
export async function openDatabaseThere(config: Config, agree: Agree): Promise<OpenDatabase> {
  const database = await openAgreed(config, agree);
  try {
    await migrate(database.session).finally(database.session.end);
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** Brings a database up to date, making it where there is none, and closes it. Returns where it is and what was applied. @throws ConfigError */
export async function migrateDatabase(config: Config): Promise<{ place: string; migrated: string[] }> {
  const database = await openDatabase(config);
  try {
    const migrated = await migrate(database.session).finally(database.session.end);
    return { place: database.place, migrated };
  } finally {
    await database.close();
  }
}

async function openAgreed(config: Config, agree: Agree): Promise<OpenDatabase> {
  if (config.databaseUrl === undefined) requireEmbedded(config.dataDir);
  const database = await openDatabase(config);
  try {
    await agree(await summarize(database), database);
    return database;
  } catch (error) {
    await database.session.end();
    await database.close();
    throw error;
  }
}

const loadServices = () => import('./services.js');

function openDatabase(config: Config): Promise<OpenDatabase> {
  return config.databaseUrl === undefined
    ? openEmbeddedIn(config)
    : openPostgres(config.databaseUrl, config.databasePoolSize);
}

async function build(database: OpenDatabase, config: Config, surroundings: Surroundings): Promise<OpenResources> {
  try {
    const { createServices } = await loadServices();
    const connected = database.client.$connect();
    const migrated = await migrate(database.session).finally(database.session.end);
    await connected;
    await ensureLogHead(database.client);
    if (database.others) await sayRisks(database.others, config, surroundings.tell);
    const sealer = sealerOf(config);
    const { client: db, others, pool } = database;
    const services = createServices({ ...surroundings, config, db, others, pool, sealer });
    await services.start().catch(explainSealing);
    const close = async () => {
      await services.close();
      await database.close();
    };
    return { database, services, migrated, close };
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** @throws ConfigError where a standby is required and commits do not wait for one */
async function sayRisks({ client, hears }: Others, config: Config, tell: Surroundings['tell']): Promise<void> {
  const durability = await readDurability(client);
  if (config.needsStandby) requireStandby(durability);
  for (const risk of risksOf(durability)) tell.warn({ setting: 'DATABASE_URL' }, risk);
  if (!hears)
    tell.warn(
      { setting: 'DATABASE_URL' },
      'notifications do not arrive, as behind a pooler in transaction mode: instances find changes by reading twice a second',
    );
}

function requireEmbedded(dataDir: string): void {
  if (existsSync(join(dataDir, 'postgresql', 'PG_VERSION'))) return;
  throw new ConfigError(
    `there is no Thingward database in ${resolve(dataDir)}: run this where the server runs, or set THINGWARD_DATA_DIR or DATABASE_URL as the server has them`,
  );
}

// An empty data folder gets its key now, before the database in it exists; one whose key is gone never gets another.
function openEmbeddedIn(config: Config): Promise<OpenDatabase> {
  const path = join(config.dataDir, 'key');
  return openEmbedded(config.dataDir, endOnPanic, () => {
    if (config.key !== undefined || existsSync(path)) return;
    if (existsSync(join(config.dataDir, 'postgresql'))) {
      throw new ConfigError(
        `${path} is gone, and with it the key that the CA keys in ${config.dataDir} are sealed with: restore it from a backup, or set THINGWARD_KEY`,
      );
    }
    writeFileSync(path, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600, flag: 'wx', flush: true });
  });
}

/** The sealer that the settings name. @throws ConfigError */
export function sealerOf({ key, previousKey, dataDir }: Config): Sealer {
  return createSealer(key ?? readKeyFile(dataDir), previousKey);
}

function readKeyFile(dataDir: string): Buffer {
  return parseSealingKey(readFileSync(join(dataDir, 'key'), 'utf8'));
}

function explainSealing(error: unknown): never {
  if (!/unable to authenticate data/i.test(String(error))) throw error;
  throw new ConfigError(
    'THINGWARD_KEY is not the key that this database was sealed with: use the key of its first start, or the one that it was last sealed with by `thingward reseal`',
  );
}

/** After a PANIC the embedded engine spins and remembers nothing: the process ends at once, before another answer. */
function endOnPanic(line: string): void {
  process.stderr.write(
    `thingward: the embedded database failed and the process ends: ${line}\nthingward: look at the disk (is it full?), then start again; nothing acknowledged is lost\n`,
  );
  process.exit(70);
}
