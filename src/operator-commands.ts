import type { Config } from './config.js';
import { beginEpoch } from './log/append.js';
import { openResources, type OpenResources } from './resources.js';

/** Commands for the person at the machine. With the embedded database they need the server stopped. */

export async function ownerKey(config: Config, account: string): Promise<void> {
  const key = await using(config, ({ services }) =>
    services.accounts.recoverOwnerKey(account, { actor: 'command-line' }),
  );
  process.stdout.write(
    `A new owner key of the account ${account}, shown this once:\n\n  ${key}\n\nDelete the lost one: GET /v1/api-keys, then DELETE /v1/api-keys/{id}\n`,
  );
}

export async function rotateTokenKey(config: Config): Promise<void> {
  const kid = await using(config, ({ services }) => services.tokenKeys.rotate());
  process.stdout.write(
    `The key ${kid} is in the key set now and signs from ten minutes on; the others retire after their last token.\n`,
  );
}

export async function newEpoch(config: Config): Promise<void> {
  const epoch = await using(config, ({ database }) => database.client.$transaction(beginEpoch));
  process.stdout.write(
    `The log has begun epoch ${epoch}: followers read a snapshot again, and every list is signed anew with a higher number.\n`,
  );
}

async function using<Result>(config: Config, work: (resources: OpenResources) => Promise<Result>): Promise<Result> {
  const resources = await openResources(config);
  try {
    return await work(resources);
  } finally {
    await resources.close();
  }
}
