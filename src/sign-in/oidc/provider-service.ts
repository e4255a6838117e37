import { randomUUID } from 'node:crypto';
import type { Grantee } from '../../access/grantee.js';
import { permissionsOfRole, type Permission } from '../../access/permissions.js';
import type { PersonKeys } from '../../api-keys/person-keys.js';
import type { AppendAudit } from '../../audit/store.js';
import type { Clock } from '../../clock.js';
import type { Commit, Transaction } from '../../db/client.js';
import { DomainError } from '../../errors.js';
import { mostOfAccount, tooMany } from '../../limits.js';
import type { AppendLog } from '../../log/append.js';
import { everybodyEntry } from '../../log/builders.js';
import type { NewLogEntry } from '../../log/entries.js';
import type { Origin } from '../../origin.js';
import { sealedAs, type Sealer } from '../../sealing.js';
import type { NewProvider, ProviderChange, ProviderSettings } from './provider-schema.js';
import type { ProviderStore, StoredProvider } from './provider-store.js';

type Deps = {
  store: ProviderStore;
  keys: Pick<PersonKeys, 'end'>;
  sealer: Pick<Sealer, 'seal'>;
  commit: Commit;
  clock: Clock;
  audit: AppendAudit;
  log: AppendLog;
};

export type Providers = ReturnType<typeof createProviders>;

/** The providers that let people of an account in. What one maps to, whoever sets it up has. */
export function createProviders({ store, keys, sealer, commit, clock, audit, log }: Deps) {
  const get = async (account: string, id: string): Promise<StoredProvider> => {
    const provider = await store.find(id);
    if (provider?.account !== account) throw noProvider(id);
    return provider;
  };

  const seal = (id: string, secret: string): Buffer => sealer.seal(Buffer.from(secret), sealedAs.provider(id));

  /** Ends the sessions that a provider vouches for, and the keys of those people. */
  const endAll = async (tx: Transaction, account: string, id: string, origin: Origin): Promise<NewLogEntry[]> => {
    const ended = await store.endSessions(tx, id, {});
    const people = ended.map(({ personId }) => personId);
    return keys.end(tx, account, people, origin);
  };

  return {
    get,
    list: store.list,

    /** @throws DomainError `forbidden`, `conflict` for a name that is taken, `too-many-requests` */
    async create(caller: Grantee, request: NewProvider, origin: Origin): Promise<StoredProvider> {
      const { account } = caller;
      const { name, issuer, clientId, clientSecret, ...settings } = request;
      requireMapped(caller, settings);
      const [id, at] = [randomUUID(), clock()];
      const made = {
        id,
        account,
        name,
        issuer,
        clientId,
        settings,
        jwks: null,
        createdAt: at,
        createdBy: origin.actor,
      };
      const provider = { ...made, secretSealed: seal(id, clientSecret) };
      await commit(async (tx) => {
        const most = mostOfAccount.providers;
        if ((await store.count(tx, account)) >= most) throw tooMany('providers', most, 'delete one that nobody uses');
        if (!(await store.insert(tx, provider))) throw nameTaken(name);
        const detail = { name, issuer, clientId, ...settings };
        await audit(tx, { at, account, origin, action: 'sign-in-provider.create', target: `provider:${id}`, detail });
      });
      return provider;
    },

    /** Changes a provider; the sessions that it vouches for end. @throws DomainError `not-found`, `forbidden`, `conflict` */
    async update(caller: Grantee, id: string, change: ProviderChange, origin: Origin): Promise<StoredProvider> {
      const { account } = caller;
      const before = await get(account, id);
      const after = changed(before, change, (secret) => seal(id, secret));
      requireMapped(caller, before.settings);
      requireMapped(caller, after.settings);
      await commit(async (tx) => {
        if (!(await store.update(tx, after))) throw nameTaken(after.name);
        const entries = await endAll(tx, account, id, origin);
        const at = clock();
        const { clientSecret, ...shown } = change;
        const detail = { ...shown, ...(clientSecret === undefined ? {} : { clientSecret: 'another' }) };
        await audit(tx, { at, account, origin, action: 'sign-in-provider.update', target: `provider:${id}`, detail });
        await log(tx, at, [everybodyEntry(account), ...entries]);
      });
      return after;
    },

    /** Deletes a provider; the sessions that it vouches for end. @throws DomainError `not-found`, `forbidden` */
    async delete(caller: Grantee, id: string, origin: Origin): Promise<void> {
      const { account } = caller;
      requireMapped(caller, (await get(account, id)).settings);
      await commit(async (tx) => {
        const entries = await endAll(tx, account, id, origin);
        if (!(await store.delete(tx, account, id))) throw noProvider(id);
        const at = clock();
        await audit(tx, { at, account, origin, action: 'sign-in-provider.delete', target: `provider:${id}` });
        await log(tx, at, [everybodyEntry(account), ...entries]);
      });
    },
  };
}

function changed(before: StoredProvider, change: ProviderChange, seal: (secret: string) => Buffer): StoredProvider {
  const { name, issuer, clientId, clientSecret, defaultRole, ...rest } = change;
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  const settings: ProviderSettings = { ...before.settings, ...given };
  if (defaultRole === null) delete settings.defaultRole;
  else if (defaultRole !== undefined) settings.defaultRole = defaultRole;
  return {
    ...before,
    name: name ?? before.name,
    issuer: issuer ?? before.issuer,
    clientId: clientId ?? before.clientId,
    secretSealed: clientSecret === undefined ? before.secretSealed : seal(clientSecret),
    settings,
  };
}

/** Whoever decides whom a provider makes what could become that. @throws DomainError `forbidden` */
function requireMapped({ account, permissions }: Grantee, { roleMapping, defaultRole }: ProviderSettings): void {
  const roles = [...Object.values(roleMapping), ...(defaultRole === undefined ? [] : [defaultRole])];
  const mapped = new Set<Permission>(roles.flatMap((role) => permissionsOfRole(role, account)));
  const lacking = [...mapped].filter((permission) => !permissions.has(permission));
  if (lacking.length === 0) return;
  throw new DomainError('forbidden', `the provider gives what you lack: ${lacking.join(', ')}`);
}

function noProvider(id: string): DomainError {
  return new DomainError('not-found', `there is no sign-in provider ${id}`);
}

function nameTaken(name: string): DomainError {
  return new DomainError('conflict', `the account has a sign-in provider ${name}: choose another name`);
}
