import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openPostgres } from '../../../src/db/client.js';
import { openEmbedded } from '../../../src/db/embedded.js';
import { migrate } from '../../../src/db/migrate.js';
import { createDatabase, type PostgresServer } from './postgres.js';

/** The name of the database that `makePostgresTemplate` makes. */
export const postgresTemplate = 'thingward_template';

/** Makes a database that others are copied from: every migration applied, nothing in it. */
export async function makePostgresTemplate(server: PostgresServer): Promise<void> {
  const database = await openPostgres(await createDatabase(server, postgresTemplate), 1);
  await migrate(database.session).finally(database.session.end);
  await database.close();
}

/** The same for the embedded database: the folder that the engine keeps, and what removes it. */
export async function makeEmbeddedTemplate(): Promise<{ folder: string; remove(): void }> {
  const parent = mkdtempSync(join(tmpdir(), 'thingward-template-'));
  const database = await openEmbedded(parent, (line) => {
    throw new Error(line);
  });
  await migrate(database.session);
  await database.close();
  return { folder: join(parent, 'postgresql'), remove: () => rmSync(parent, { recursive: true, force: true }) };
}
