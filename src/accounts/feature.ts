import type { Transaction } from '../db/client.js';
import type { Door, Shared } from '../door.js';
import type { NewLogEntry } from '../log/entries.js';
import type { BuiltInSettings } from '../policy/built-in.js';
import { accountRoutes } from './routes.js';
import { createAccountService, type AccountService } from './service.js';
import { createAccountStore } from './store.js';

type Deps = Shared & {
  /** Makes the authorities of a new account; `insert` writes them. */
  prepareAuthorities(account: string): Promise<{ issuers: { id: string }[]; insert(tx: Transaction): Promise<void> }>;
  openList(tx: Transaction, issuerId: string, scope: string, at: Date): Promise<void>;
  /** Writes the built-in policies, and says what to log. */
  seedPolicies(tx: Transaction, account: string, settings: BuiltInSettings, at: Date): Promise<NewLogEntry[]>;
  insertOwnerKey: Parameters<typeof createAccountService>[0]['insertOwnerKey'];
};

/** Tenants. */
export function createAccounts(deps: Deps): Door<AccountService> {
  const { db, commit, clock, audit, log, reader, prepareAuthorities, openList, seedPolicies, insertOwnerKey } = deps;
  const service = createAccountService({
    store: createAccountStore(db),
    commit,
    commitAddition: reader.commitAddition,
    clock,
    audit,
    log,
    insertOwnerKey,
    async prepare(account, settings) {
      const { issuers, insert } = await prepareAuthorities(account);
      return async (tx) => {
        await insert(tx);
        for (const { id } of issuers) await openList(tx, id, 'complete', clock());
        return seedPolicies(tx, account, settings, clock());
      };
    },
  });
  return { verbs: service, routes: [accountRoutes(service)] };
}
