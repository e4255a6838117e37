import { randomUUID } from 'node:crypto';
import { eachPromise, promisesOf, type Grantee } from '../access/grantee.js';
import { permissionsOfRole } from '../access/permissions.js';
import type { AppendAudit } from '../audit/store.js';
import { rfc3339, type Clock } from '../clock.js';
import { createCredential, hashCredential } from '../access/credentials.js';
import type { Commit, Transaction } from '../db/client.js';
import { DomainError } from '../errors.js';
import { etagOf, requireMatch } from '../api/etag.js';
import { mostOfAccount, tooMany } from '../limits.js';
import type { AppendLog } from '../log/append.js';
import { keyChangedEntry, keyDeletedEntry } from '../log/builders.js';
import type { Origin } from '../origin.js';
import type { CachedKey, KeyCache } from './cache.js';
import { requireGrantable, requireHeld } from './rules.js';
import type { ApiKeyPatch, NewApiKey } from './schema.js';
import type { ApiKeyStore, StoredApiKey } from './store.js';

type Deps = {
  store: ApiKeyStore;
  cache: KeyCache;
  commit: Commit;
  /** For what takes no right away, and whose answer shows a secret that cannot be had again. */
  commitAddition: Commit;
  clock: Clock;
  audit: AppendAudit;
  log: AppendLog;
};

export type ApiKeyService = ReturnType<typeof createApiKeyService>;

/** The API keys of an account: who holds one, and what it may do. */
export function createApiKeyService({ store, cache, commit, commitAddition, clock, audit, log }: Deps) {
  return {
    /** Writes an owner key for an account, inside a transaction. */
    async insertOwnerKey(tx: Transaction, account: string, origin: Origin, hash: Buffer): Promise<void> {
      const [id, at] = [randomUUID(), clock()];
      const permissions = permissionsOfRole('owner', account);
      await store.insert(tx, {
        id,
        name: 'owner',
        account,
        hash,
        description: null,
        role: 'owner',
        permissions,
        promises: eachPromise(false),
        expiresAt: null,
        createdAt: at,
        createdBy: origin.actor,
        personId: null,
      });
      await audit(tx, {
        at,
        account,
        origin,
        action: 'api-key.create',
        target: `key:${id}`,
        detail: { role: 'owner' },
      });
    },

    /** Makes a key that may do no more, and live no longer, than its maker's. @throws DomainError `forbidden` */
    async create(caller: Grantee, request: NewApiKey, origin: Origin): Promise<{ id: string; key: string }> {
      const permissions = request.permissions ?? permissionsOfRole(request.role!, caller.account);
      const expiresAt = request.expiresAt === undefined ? null : new Date(request.expiresAt);
      requireGrantable(caller, request, permissions, expiresAt);
      const { token, hash } = createCredential('twk');
      const promises = promisesOf(request);
      // What the key of a person makes ends with them too.
      const personId = (await store.find(caller.account, caller.id))?.personId ?? null;
      const [id, at] = [randomUUID(), clock()];
      const key = {
        id,
        name: request.name ?? null,
        description: request.description ?? null,
        account: caller.account,
        hash,
        role: request.role ?? null,
        permissions,
        promises,
        expiresAt,
        personId,
      };
      await commitAddition(async (tx) => {
        const most = mostOfAccount.keys;
        if ((await store.count(tx, caller.account, most)) >= most)
          throw tooMany('API keys', most, 'delete some that nobody uses');
        await store.insert(tx, { ...key, createdAt: at, createdBy: origin.actor });
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

    async get(account: string, id: string): Promise<StoredApiKey> {
      const key = await store.find(account, id);
      if (!key) throw new DomainError('not-found', `there is no API key ${id}`);
      return key;
    },

    /** @throws DomainError `invalid-credential` for a key that is deleted or has expired, `account-suspended` */
    async requireLive(account: string, id: string): Promise<void> {
      const key = await store.find(account, id);
      if (!key || (key.expiresAt && key.expiresAt <= clock()))
        throw new DomainError('invalid-credential', 'the key was deleted or has expired: get a new one');
      requireActive(key);
    },

    list: store.list,
    countMatching: store.countMatching,

    /**
     * Ends a key at once. Its deleter needs what it holds, and the last owner key of an account stays.
     * @throws DomainError `not-found`, `forbidden`, `conflict`
     */
    async delete(caller: Grantee, id: string, origin: Origin): Promise<void> {
      const { account } = caller;
      await commit(async (tx) => {
        const at = clock();
        const key = await store.lock(tx, account, id);
        if (!key) throw new DomainError('not-found', `there is no API key ${id}`);
        requireMatch(origin, keyTag(key));
        requireHeld(caller, key, 'delete');
        if (key.role === 'owner' && (await store.countOtherOwners(tx, account, id, at)) === 0)
          throw new DomainError('conflict', 'this is the last owner key of the account: create another one first');
        await store.delete(tx, account, id, at);
        await audit(tx, { at, account, origin, action: 'api-key.delete', target: `key:${id}` });
        await log(tx, at, [keyDeletedEntry(account, id)]);
      });
    },

    /**
     * Changes what a key is called and when it ends. It never lives longer than its changer's, and one owner key of an
     * account never ends. @throws DomainError `not-found`, `forbidden`, `conflict`, `precondition-failed`
     */
    async change(caller: Grantee, id: string, patch: ApiKeyPatch, origin: Origin): Promise<StoredApiKey> {
      const { account } = caller;
      return commit(async (tx) => {
        const at = clock();
        const before = await store.lock(tx, account, id);
        if (!before) throw new DomainError('not-found', `there is no API key ${id}`);
        requireMatch(origin, keyTag(before));
        const after = patched(before, patch);
        requireHeld(caller, before, 'change');
        if (isLonger(after.expiresAt, before.expiresAt))
          requireGrantable(caller, before.promises, before.permissions, after.expiresAt);
        const isLastOwner = before.role === 'owner' && (await store.countOtherOwners(tx, account, id, at)) === 0;
        if (after.expiresAt && isLastOwner)
          throw new DomainError('conflict', 'this is the last owner key of the account: create another one first');
        await store.describe(tx, account, id, after);
        if (patch.expiresAt !== undefined) await log(tx, at, [keyChangedEntry(account, id)]);
        const detail = { before: described(before), after: described(after) };
        await audit(tx, { at, account, origin, action: 'api-key.change', target: `key:${id}`, detail });
        return after;
      });
    },

    /** Whether a key of this hash was valid recently. */
    isRemembered: (hash: Buffer): boolean => cache.find(hash) !== undefined,

    /** A mark for {@link isUnchanged}. */
    markKeys: cache.mark,

    /** Whether a key is certainly as it was when the mark was taken: nothing was said of any since, and it has not expired. */
    isUnchanged: ({ expiresAt }: Pick<Grantee, 'expiresAt'>, mark: number | undefined): boolean =>
      mark !== undefined && mark === cache.mark() && (expiresAt === null || expiresAt > clock()),

    /** Who holds an API key; undefined for a key that is unknown, deleted or expired. @throws DomainError `account-suspended` */
    findCaller(token: string): Grantee | undefined | Promise<Grantee | undefined> {
      const hash = hashCredential(token);
      const known = cache.find(hash);
      return known
        ? granteeOf(known, clock())
        : cache.load(hash).then((loaded) => loaded && granteeOf(loaded, clock()));
    },
  };
}

/** The ETag of a key. */
export function keyTag({ id, name, description, role, permissions, promises, expiresAt }: StoredApiKey): string {
  return etagOf('key', id, name, description, role, permissions, promises, expiresAt);
}

function patched(key: StoredApiKey, { name, description, expiresAt }: ApiKeyPatch): StoredApiKey {
  return {
    ...key,
    name: name === undefined ? key.name : name,
    description: description === undefined ? key.description : description,
    expiresAt: expiresAt === undefined ? key.expiresAt : expiresAt === null ? null : new Date(expiresAt),
  };
}

const isLonger = (after: Date | null, before: Date | null): boolean =>
  before !== null && (after === null || after > before);

const described = ({ name, description, expiresAt }: StoredApiKey) => ({
  name,
  description,
  expiresAt: expiresAt && rfc3339(expiresAt),
});

function granteeOf({ expiresAt, accountStatus, account, grantee }: CachedKey, at: Date): Grantee | undefined {
  if (expiresAt && expiresAt <= at) return undefined;
  requireActive({ accountStatus, account });
  return grantee;
}

function requireActive({ accountStatus, account }: Pick<StoredApiKey, 'accountStatus' | 'account'>): void {
  if (accountStatus !== 'active') throw new DomainError('account-suspended', `the account ${account} is suspended`);
}
