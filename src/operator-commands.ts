import { appendAudit } from './audit/store.js';
import { confirm } from './cli/confirm.js';
import { systemClock } from './clock.js';
import type { Config } from './config.js';
import type { DatabaseSummary } from './db/summary.js';
import { beginEpoch } from './log/append.js';
import type { Origin } from './origin.js';
import { openExisting, type OpenResources } from './resources.js';

/**
 * Commands for the person at the machine. They open the database that the settings name and never make one. With the
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

/** Publishes a new key for access tokens. @throws ConfigError */
export async function rotateTokenKey(config: Config, flags: Flags): Promise<void> {
  const resources = await openExisting(config, async (database) => {
    say(database);
    await confirm('This publishes a new key for access tokens and retires the present ones.', flags);
  });
  const kid = await using(resources, async ({ services, database: { client } }) => {
    const rotated = await services.tokenKeys.rotate();
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
    `The key ${kid} is in the key set now and signs from ten minutes on; the others retire after their last token.\n`,
  );
}

/** Begins a new epoch after a backup was restored. @throws ConfigError */
export async function restored(config: Config, flags: Flags): Promise<void> {
  const resources = await openExisting(config, async (database) => {
    say(database);
    await confirm('This begins a new epoch: cursors of followers end, and list numbers jump.', flags);
  });
  const epoch = await using(resources, ({ database: { client } }) => client.$transaction(beginEpoch));
  process.stdout.write(
    `The log has begun epoch ${epoch}: followers read a snapshot again, and every list is signed anew with a higher number.\n`,
  );
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
