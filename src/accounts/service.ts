import type { Clock } from '../clock.js';
import type { AppendAudit } from '../audit/store.js';
import type { Commit, Transaction } from '../db/client.js';
import { DomainError } from '../errors.js';
import { createCredential, hashCredential } from '../access/credentials.js';
import type { AppendLog } from '../log/append.js';
import { accountEntry, accountStatusEntry } from '../log/builders.js';
import type { NewLogEntry } from '../log/entries.js';
import type { Origin } from '../origin.js';
import type { BuiltInSettings } from '../policy/built-in.js';
import { certificateLife } from '../limits.js';
import type { AccountPatch, NewAccount } from './schema.js';
import type { AccountStore } from './store.js';

type Deps = {
  store: AccountStore;
  commit: Commit;
  /** For what takes no right away, and whose answer shows a secret that cannot be had again. */
  commitAddition: Commit;
  clock: Clock;
  audit: AppendAudit;
  log: AppendLog;
  /** Does the slow part of an account's authorities and policies; what it returns writes them, and says what to log. */
  prepare(account: string, settings: BuiltInSettings): Promise<(tx: Transaction) => Promise<NewLogEntry[]>>;
  insertOwnerKey(tx: Transaction, account: string, origin: Origin, hash: Buffer): Promise<void>;
};

const actions = {
  renewGraceSeconds: 'account.set-renew-grace',
  maxCertificateSeconds: 'account.set-certificate-limit',
};

export type AccountService = ReturnType<typeof createAccountService>;

/** Tenants. */
export function createAccountService(deps: Deps) {
  const { store, commit, commitAddition, clock, audit, log, prepare, insertOwnerKey } = deps;
  return {
    /** Makes an account with its authorities, its built-in policies and its first owner key. @throws DomainError `account-exists` */
    async create(
      { name, timeZone = 'UTC', clientIdForm = 'thing', ...asked }: NewAccount,
      origin: Origin,
      ownerKey?: string,
    ): Promise<{ name: string; ownerKey: string }> {
      if (await store.find(name)) throw accountExists(name);
      const settings = { timeZone, clientIdForm };
      const { renewGraceSeconds = 0, maxCertificateSeconds = certificateLife.mostByDefault } = asked;
      const limits = { renewGraceSeconds, maxCertificateSeconds };
      const insertFoundations = await prepare(name, settings);
      const { token, hash } =
        ownerKey === undefined ? createCredential('twk') : { token: ownerKey, hash: hashCredential(ownerKey) };
      const at = clock();
      await commitAddition(async (tx) => {
        if (!(await store.insert(tx, { name, ...settings, ...limits, createdAt: at }))) throw accountExists(name);
        const entries = await insertFoundations(tx);
        await audit(tx, { at, account: name, origin, action: 'account.create', target: `account:${name}` });
        await insertOwnerKey(tx, name, origin, hash);
        await log(tx, at, entries);
      });
      return { name, ownerKey: token };
    },

    exists: async (name: string): Promise<boolean> => (await store.find(name)) !== null,

    /** @throws DomainError `not-found` */
    async requireThere(name: string): Promise<void> {
      if (!(await store.find(name))) throw new DomainError('not-found', `there is no account ${name}`);
    },

    list: store.list,
    countMatching: store.countMatching,

    /**
     * Changes how long certificates of its things may live, and how long they can be renewed after they expired, where their
     * enrollments do not say. @throws DomainError `not-found`
     */
    async change(name: string, patch: AccountPatch, origin: Origin) {
      const before = await store.find(name);
      if (!before) throw new DomainError('not-found', `there is no account ${name}`);
      return commit(async (tx) => {
        const { renewGraceSeconds = before.renewGraceSeconds, maxCertificateSeconds = before.maxCertificateSeconds } =
          patch;
        const account = await store.change(tx, name, { renewGraceSeconds, maxCertificateSeconds });
        for (const limit of ['renewGraceSeconds', 'maxCertificateSeconds'] as const) {
          if (patch[limit] === undefined) continue;
          const detail = { before: before[limit], after: patch[limit] };
          const target = `account:${name}`;
          await audit(tx, { at: clock(), account: name, origin, action: actions[limit], target, detail });
        }
        return account;
      });
    },

    /** Suspends or resumes an account; repeating it changes nothing. @throws DomainError `not-found`, `conflict` for `default` */
    async setStatus(name: string, status: 'active' | 'suspended', origin: Origin) {
      if (name === 'default' && status === 'suspended')
        throw new DomainError('conflict', 'the account default cannot be suspended');
      await commit(async (tx) => {
        const changed = await store.setStatus(tx, name, status);
        if (!changed) return;
        const at = clock();
        await audit(tx, {
          at,
          account: name,
          origin,
          action: status === 'active' ? 'account.resume' : 'account.suspend',
          target: `account:${name}`,
        });
        // The second ends the streams of a suspended account: edges hear the first before.
        await log(tx, at, [accountEntry(name, changed), accountStatusEntry(name, status)]);
      });
      const account = await store.find(name);
      if (!account) throw new DomainError('not-found', `there is no account ${name}`);
      return account;
    },

    /** A new owner key for an account whose owner lost theirs. */
    async recoverOwnerKey(account: string, origin: Origin): Promise<string> {
      if (!(await store.find(account))) throw new DomainError('not-found', `there is no account ${account}`);
      const { token, hash } = createCredential('twk');
      await commitAddition((tx) => insertOwnerKey(tx, account, origin, hash));
      return token;
    },
  };
}

function accountExists(name: string): DomainError {
  return new DomainError(
    'account-exists',
    `the account ${name} exists or existed: names are never reused, choose another`,
  );
}
