import { readFileSync } from 'node:fs';
import { appendAudit } from '../audit/store.js';
import { confirm } from './confirm.js';
import { systemClock } from '../clock.js';
import { ConfigError, type Config } from '../config.js';
import type { DatabaseSummary } from '../db/summary.js';
import type { Origin } from '../origin.js';
import { migrateDatabase, openDatabaseThere, openExisting, sealerOf, type OpenResources } from '../resources.js';
import { createResealStore } from '../reseal/reseal-store.js';
import { resealAll } from '../reseal/reseal.js';
import { reportOf } from '../restore/report.js';
import { requireSources, requireStopped, restore } from '../restore/restored.js';
import type { SourceFile } from '../restore/sources.js';

/**
 * Commands for the person at the machine. They open the database that the settings name and, except `migrate`, never make one. With the
 * embedded database they need the server stopped.
 */

type Flags = { yes?: boolean };

const origin: Origin = { actor: 'command-line' };

/** Makes and prints a new owner key. @throws ConfigError, DomainError `not-found` */
export async function ownerKey(config: Config, account: string): Promise<void> {
  const resources = await openExisting(config, async (database) => say(database));
  const key = await using(resources, ({ services }) => services.accounts.recoverOwnerKey(account, origin));
  process.stdout.write(
    `A new owner key of the account ${account}, shown this once:\n\n  ${key}\n\nDelete the lost one: GET /v1/api-keys, then DELETE /v1/api-keys/{id}\n`,
  );
}

/** Makes and prints a link that makes another owner. @throws ConfigError, DomainError `not-found` */
export async function ownerLink(config: Config, account: string): Promise<void> {
  const resources = await openExisting(config, async (database) => say(database));
  const { link } = await using(resources, async ({ services }) => {
    await services.accounts.requireThere(account);
    return services.people.ownerLink(account, origin);
  });
  process.stdout.write(`A link that makes an owner of the account ${account}, once within 24 hours:\n\n  ${link}\n`);
}

/** Publishes a new key for access tokens. @throws ConfigError */
export async function rotateTokenKey(config: Config, flags: Flags): Promise<void> {
  const resources = await openExisting(config, async (database) => {
    say(database);
    await confirm('This publishes a new key for access tokens and retires the present ones.', flags);
  });
  const kid = await using(resources, async ({ services, database: { client } }) => {
    const rotated = await services.tokens.rotate();
    await appendAudit(client, {
      at: systemClock(),
      account: 'default',
      origin,
      action: 'token-key.rotate',
      target: `token-key:${rotated}`,
    });
    return rotated;
  });
  process.stdout.write(
    `The key ${kid} is in the key set now and signs after ten minutes; the other keys retire after their last token.\n`,
  );
}

/** Brings the database up to date and prints what was applied. @throws ConfigError */
export async function migrateNow(config: Config): Promise<void> {
  const { place, migrated } = await migrateDatabase(config);
  const applied = migrated.length === 0 ? 'nothing to apply' : `applied ${migrated.length}: ${migrated.join(', ')}`;
  process.stdout.write(`Migrations of the ${place}: ${applied}.\n`);
}

/** The flags of `thingward restored`. */
export type RestoredFlags = Flags & { lists?: string[]; feed?: string[]; acceptLoss?: boolean };

/** Makes a restored backup fit to serve, and prints what it did and what is left to do. @throws ConfigError */
export async function restored(config: Config, { yes, ...flags }: RestoredFlags): Promise<void> {
  const files = {
    lists: (flags.lists ?? []).map(readSource),
    feeds: (flags.feed ?? []).map(readSource),
    acceptLoss: flags.acceptLoss ?? false,
  };
  requireSources(files);
  const database = await openDatabaseThere(config, async (summary, open) => {
    say(summary);
    await requireStopped(open);
    await confirm('This starts a new epoch, drops token keys and closes every open enrollment.', { yes: yes ?? false });
  });
  try {
    process.stdout.write(reportOf(await restore(database, files, systemClock(), origin)));
  } finally {
    await database.close();
  }
}

/** Seals every secret with the present key, which instances may use meanwhile. @throws ConfigError */
export async function reseal(config: Config, flags: Flags): Promise<void> {
  if (config.previousKey === undefined)
    throw new ConfigError('set THINGWARD_KEY to the new key, and THINGWARD_KEY_PREVIOUS to the one before');
  const sealer = sealerOf(config);
  const database = await openDatabaseThere(config, async (summary) => {
    say(summary);
    await confirm('This seals every key and secret of the database with THINGWARD_KEY.', flags);
  });
  try {
    const store = createResealStore(database.client);
    const done = await resealAll({ store, sealer, say: (line) => void process.stdout.write(`${line}\n`) });
    await appendAudit(database.client, {
      at: systemClock(),
      account: 'default',
      origin,
      action: 'sealing-key.reseal',
      target: `sealing-key:${sealer.keyId}`,
      detail: done,
    });
    process.stdout.write(
      `All ${done.secrets} secrets are sealed with the new key; ${done.resealed} were sealed again. Take THINGWARD_KEY_PREVIOUS out of the settings of every instance, restart them, and destroy the old key.\n`,
    );
  } finally {
    await database.close();
  }
}

function readSource(name: string): SourceFile {
  try {
    return { name, bytes: readFileSync(name) };
  } catch (error) {
    throw new ConfigError(`${name} cannot be read: ${(error as Error).message}`);
  }
}

function say({ place, accounts, things }: DatabaseSummary): void {
  process.stdout.write(`Using the ${place}: ${count(accounts, 'account')}, ${count(things, 'thing')}.\n`);
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

async function using<Result>(
  resources: OpenResources,
  work: (resources: OpenResources) => Promise<Result>,
): Promise<Result> {
  try {
    return await work(resources);
  } finally {
    await resources.close();
  }
}
