import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject } from 'vitest';
import { createDatabase } from './postgres.js';
import { postgresTemplate } from './templates.js';

export type DatabaseKind = 'embedded' | 'postgresql';

/** The settings that name a fresh database, and what removes it. */
export type TestDatabase = { settings: Record<string, string>; remove(): void };

/** The databases that this machine can test on. */
export const databaseKinds: DatabaseKind[] = inject('postgresUrl') === '' ? ['embedded'] : ['embedded', 'postgresql'];

/** One of them, for what nothing of goes through SQL. */
export const anyDatabase: DatabaseKind[] = databaseKinds.slice(-1);

export const sealingKey = randomBytes(32).toString('base64');

/** A database with every migration applied and nothing in it: a copy, because making one takes seconds. */
export async function freshDatabase(kind: DatabaseKind): Promise<TestDatabase> {
  if (kind === 'postgresql') return newPostgres(postgresTemplate);
  const database = newFolder();
  const folder = database.settings['THINGWARD_DATA_DIR']!;
  execFileSync('cp', ['-R', inject('embeddedTemplate'), join(folder, 'postgresql')]);
  writeFileSync(join(folder, 'key'), `${sealingKey}\n`, { mode: 0o600 });
  return database;
}

/** What a customer begins with: an empty folder, or a database without a table. */
export async function emptyDatabase(kind: DatabaseKind): Promise<TestDatabase> {
  return kind === 'embedded' ? newFolder() : newPostgres();
}

function newFolder(): TestDatabase {
  const folder = mkdtempSync(join(tmpdir(), 'thingward-data-'));
  return { settings: { THINGWARD_DATA_DIR: folder }, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

async function newPostgres(template?: string): Promise<TestDatabase> {
  const url = (name: string) => inject('postgresUrl').replace('NAME', name);
  const settings = {
    DATABASE_URL: await createDatabase({ url }, `t${randomBytes(6).toString('hex')}`, template),
    THINGWARD_KEY: sealingKey,
  };
  return { settings, remove: () => {} };
}
