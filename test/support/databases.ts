import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject } from 'vitest';
import { createDatabase } from './postgres.js';

export type DatabaseKind = 'embedded' | 'postgresql';

/** The settings that name a fresh database, and what removes it. */
export type TestDatabase = { settings: Record<string, string>; remove(): void };

/** The databases that this machine can test on. */
export const databaseKinds: DatabaseKind[] = inject('postgresUrl') === '' ? ['embedded'] : ['embedded', 'postgresql'];

export const sealingKey = randomBytes(32).toString('base64');

export async function freshDatabase(kind: DatabaseKind): Promise<TestDatabase> {
  if (kind === 'embedded') {
    const folder = mkdtempSync(join(tmpdir(), 'thingward-data-'));
    return { settings: { THINGWARD_DATA_DIR: folder }, remove: () => rmSync(folder, { recursive: true, force: true }) };
  }
  const url = (name: string) => inject('postgresUrl').replace('NAME', name);
  const settings = {
    DATABASE_URL: await createDatabase({ url }, `t${randomBytes(6).toString('hex')}`),
    THINGWARD_KEY: sealingKey,
  };
  return { settings, remove: () => {} };
}
