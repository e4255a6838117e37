import { randomUUID } from 'node:crypto';
import { rfc3339, type Clock } from '../clock.js';
import type { AppendAudit } from '../audit/store.js';
import type { Transaction } from '../db/client.js';
import { DomainError } from '../errors.js';
import { createCredential, hashCredential } from '../credentials.js';
import { permissionsOfRole } from '../access/permissions.js';
import { eachPromise, promisesOf, type Grantee } from '../access/grantee.js';
import { mostOfAccount, tooMany } from '../limits.js';
import type { AppendLog } from '../log/append.js';
import { accountStatusEntry, keyDeletedEntry } from '../log/builders.js';
import type { NewLogEntry } from '../log/entries.js';
import type { Origin } from '../origin.js';
import type { BuiltInSettings } from '../policy/built-in.js';
import type { CachedKey, KeyCache } from '../api-keys/cache.js';
import { requireDeletable, requireGrantable } from '../api-keys/rules.js';
import type { NewAccount, NewApiKey } from './schema.js';
import type { AccountStore, StoredApiKey } from './store.js';

type Deps = {
  store: AccountStore;
  clock: Clock;
  audit: AppendAudit;
  log: AppendLog;
  /** Does the slow part of an account's authorities and policies; what it returns writes them, and says what to log. */
  prepare(account: string, settings: BuiltInSettings): Promise<(tx: Transaction) => Promise<NewLogEntry[]>>;
  keys: KeyCache;
};

export type AccountService = ReturnType<typeof createAccountService>;

export function createAccountService({ store, clock, audit, log, prepare, keys }: Deps) {
  const insertOwnerKey = async (tx: Transaction, account: string, origin: Origin, hash: Buffer) => {
    const [id, at] = [randomUUID(), clock()];
    const permissions = permissionsOfRole('owner', account);
    await store.insertKey(tx, {
      id,
      name: 'owner',
      account,
      hash,
      role: 'owner',
      permissions,
      promises: eachPromise(false),
      expiresAt: null,
      createdAt: at,
      createdBy: origin.actor,
    });
    await audit(tx, { at, account, origin, action: 'api-key.create', target: `key:${id}`, detail: { role: 'owner' } });
  };

  return {
    /** Makes an account with its authorities, its built-in policies and its first owner key. @throws DomainError `account-exists` */
    async create(
      { name, timeZone = 'UTC', clientIdForm = 'thing' }: NewAccount,
      origin: Origin,
      ownerKey?: string,
    ): Promise<{ name: string; ownerKey: string }> {
      if (await store.findAccount(name)) throw accountExists(name);
      const settings = { timeZone, clientIdForm };
      const insertFoundations = await prepare(name, settings);
      const { token, hash } =
        ownerKey === undefined ? createCredential('twk') : { token: ownerKey, hash: hashCredential(ownerKey) };
      const at = clock();
      await store.addition(async (tx) => {
        if (!(await store.insertAccount(tx, { name, ...settings, createdAt: at }))) throw accountExists(name);
        const entries = await insertFoundations(tx);
        await audit(tx, { at, account: name, origin, action: 'account.create', target: `account:${name}` });
        await insertOwnerKey(tx, name, origin, hash);
        await log(tx, at, entries);
      });
      return { name, ownerKey: token };
    },

    exists: async (name: string): Promise<boolean> => (await store.findAccount(name)) !== null,

    list: store.listAccounts,

    /** Suspends or resumes an account; repeating it changes nothing. @throws DomainError `not-found`, `conflict` for `default` */
    async setStatus(name: string, status: 'active' | 'suspended', origin: Origin) {
      if (name === 'default' && status === 'suspended')
        throw new DomainError('conflict', 'the account default cannot be suspended');
      await store.transaction(async (tx) => {
        if (!(await store.setAccountStatus(tx, name, status))) return;
        const at = clock();
        await audit(tx, {
          at,
          account: name,
          origin,
          action: status === 'active' ? 'account.resume' : 'account.suspend',
          target: `account:${name}`,
        });
        await log(tx, at, [accountStatusEntry(name, status)]);
      });
      const account = await store.findAccount(name);
      if (!account) throw new DomainError('not-found', `there is no account ${name}`);
      return account;
    },

    /** A new owner key for an account whose owner lost theirs. */
    async recoverOwnerKey(account: string, origin: Origin): Promise<string> {
      if (!(await store.findAccount(account))) throw new DomainError('not-found', `there is no account ${account}`);
      const { token, hash } = createCredential('twk');
      await store.addition((tx) => insertOwnerKey(tx, account, origin, hash));
      return token;
    },

    /** Makes a key that may do no more, and live no longer, than its maker's. @throws DomainError `forbidden` */
    async createKey(caller: Grantee, request: NewApiKey, origin: Origin): Promise<{ id: string; key: string }> {
      const permissions = request.permissions ?? permissionsOfRole(request.role!, caller.account);
      const expiresAt = request.expiresAt === undefined ? null : new Date(request.expiresAt);
      requireGrantable(caller, request, permissions, expiresAt);
      const { token, hash } = createCredential('twk');
      const promises = promisesOf(request);
      const [id, at] = [randomUUID(), clock()];
      const key = {
        id,
        name: request.name ?? null,
        account: caller.account,
        hash,
        role: request.role ?? null,
        permissions,
        promises,
        expiresAt,
      };
      await store.addition(async (tx) => {
        const most = mostOfAccount.keys;
        if ((await store.countKeys(tx, caller.account, most)) >= most)
          throw tooMany('API keys', most, 'delete some that nobody uses');
        await store.insertKey(tx, { ...key, createdAt: at, createdBy: origin.actor });
        const detail = {
          name: key.name,
          permissions,
          role: key.role,
          ...promises,
          expiresAt: expiresAt && rfc3339(expiresAt),
        };
        await audit(tx, { at, account: caller.account, origin, action: 'api-key.create', target: `key:${id}`, detail });
      });
      return { id, key: token };
    },

    async getKey(account: string, id: string): Promise<StoredApiKey> {
      const key = await store.findKey(account, id);
      if (!key) throw new DomainError('not-found', `there is no API key ${id}`);
      return key;
    },

    /** @throws DomainError `invalid-credential` for a key that is deleted or has expired, `account-suspended` */
    async requireLive(account: string, id: string): Promise<void> {
      const key = await store.findKey(account, id);
      if (!key || (key.expiresAt && key.expiresAt <= clock()))
        throw new DomainError('invalid-credential', 'the key was deleted or has expired: get a new one');
      requireActive(key);
    },

    listKeys: store.listKeys,

    /**
     * Ends a key at once. Its deleter needs what it holds, and the last owner key of an account stays.
     * @throws DomainError `not-found`, `forbidden`, `conflict`
     */
    async deleteKey(caller: Grantee, id: string, origin: Origin): Promise<void> {
      const { account } = caller;
      await store.transaction(async (tx) => {
        const at = clock();
        const key = await store.lockKey(tx, account, id);
        if (!key) throw new DomainError('not-found', `there is no API key ${id}`);
        requireDeletable(caller, key);
        if (key.role === 'owner' && (await store.countOtherOwners(tx, account, id, at)) === 0)
          throw new DomainError('conflict', 'this is the last owner key of the account: create another one first');
        await store.deleteKey(tx, account, id, at);
        await audit(tx, { at, account, origin, action: 'api-key.delete', target: `key:${id}` });
        await log(tx, at, [keyDeletedEntry(account, id)]);
      });
    },

    /** Whether a key of this hash was valid recently. */
    isRemembered: (hash: Buffer): boolean => keys.find(hash) !== undefined,

    /** A mark for {@link isUnchanged}. */
    markKeys: keys.mark,

    /** Whether a key is certainly as it was when the mark was taken: nothing was said of any since, and it has not expired. */
    isUnchanged: ({ expiresAt }: Pick<Grantee, 'expiresAt'>, mark: number | undefined): boolean =>
      mark !== undefined && mark === keys.mark() && (expiresAt === null || expiresAt > clock()),

    /** Who holds an API key; undefined for a key that is unknown, deleted or expired. @throws DomainError `account-suspended` */
    findCaller(token: string): Grantee | undefined | Promise<Grantee | undefined> {
      const hash = hashCredential(token);
      const known = keys.find(hash);
      return known ? granteeOf(known, clock()) : keys.load(hash).then((loaded) => loaded && granteeOf(loaded, clock()));
    },
  };
}

function granteeOf({ expiresAt, accountStatus, account, grantee }: CachedKey, at: Date): Grantee | undefined {
  if (expiresAt && expiresAt <= at) return undefined;
  requireActive({ accountStatus, account });
  return grantee;
}

function requireActive({ accountStatus, account }: Pick<StoredApiKey, 'accountStatus' | 'account'>): void {
  if (accountStatus !== 'active') throw new DomainError('account-suspended', `the account ${account} is suspended`);
}

function accountExists(name: string): DomainError {
  return new DomainError(
    'account-exists',
    `the account ${name} exists or existed: names are never reused, choose another`,
  );
}
