import { randomInt } from 'node:crypto';
import type pg from 'pg';
import { ConfigError } from '../config.js';

const hearMs = 1000;

/**
 * Tries what instances rely on to keep out of each other's way, on two connections. Resolves with whether notifications arrive: behind a
 * pooler that lends connections for a transaction they do not, and changes are found by reading.
 * @throws ConfigError for an engine that speaks like PostgreSQL, and lends one advisory lock to two, or knows no LISTEN
 */
export async function tryEngine(one: pg.Client, other: pg.Client): Promise<boolean> {
  await requireLocks(one, other);
  return hears(one, other);
}

async function requireLocks(one: pg.Client, other: pg.Client): Promise<void> {
  const key = randomInt(2 ** 47);
  await one.query('BEGIN');
  await one.query('SELECT pg_advisory_xact_lock($1)', [key]);
  const { rows } = await other.query<{ taken: boolean }>('SELECT pg_try_advisory_xact_lock($1) AS taken', [key]);
  await one.query('ROLLBACK');
  if (!rows[0]?.taken) return;
  throw new ConfigError(
    'DATABASE_URL names an engine that lends one advisory lock to two sessions: instances would start and migrate over each other. Thingward runs on PostgreSQL 14 or later (docs/postgresql.md)',
  );
}

async function hears(one: pg.Client, other: pg.Client): Promise<boolean> {
  const channel = `thingward_try_${randomInt(2 ** 47)}`;
  const heard = new Promise<boolean>((resolve) => other.once('notification', () => resolve(true)));
  await other.query(`LISTEN ${channel}`).catch((error: Error) => {
    throw new ConfigError(
      `DATABASE_URL names an engine that cannot LISTEN (${error.message}): Thingward runs on PostgreSQL 14 or later (docs/postgresql.md)`,
    );
  });
  await one.query(`NOTIFY ${channel}`);
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(false), hearMs)));
  return Promise.race([heard, silence]).finally(() => clearTimeout(timer));
}
