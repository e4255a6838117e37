import { randomUUID } from 'node:crypto';
import type { Grantee } from '../access/grantee.js';
import { permissionsOfRole, type Permission, type Role } from '../access/permissions.js';
import type { PersonKeys } from '../api-keys/person-keys.js';
import type { AppendAudit } from '../audit/store.js';
import { addSeconds, type Clock } from '../clock.js';
import { createCredential } from '../access/credentials.js';
import type { Commit, Transaction } from '../db/client.js';
import { DomainError } from '../errors.js';
import { mostOfAccount, tooMany } from '../limits.js';
import type { AppendLog } from '../log/append.js';
import { personEntry } from '../log/builders.js';
import type { Origin } from '../origin.js';
import type { SendMail } from '../outbound/mail.js';
import { mailLink } from './mailing.js';
import { requireGrantable, requireManageable } from './rules.js';
import type { NewPerson, PersonChange } from './schema.js';
import type { PersonStore, PersonUpdate, StoredPerson } from './store.js';

type Deps = {
  store: PersonStore;
  commit: Commit;
  /** For what takes no right away, and whose answer shows a secret that cannot be had again. */
  commitAddition: Commit;
  clock: Clock;
  audit: AppendAudit;
  log: AppendLog;
  /** Ends the keys for the command line of people. Returns what the log has to say of it. */
  endKeys: PersonKeys['end'];
  /** What people open to use a token. */
  linkOf(token: string): string;
  /** Sends a mail; absent where the operator named no mail server. */
  mail?: SendMail | undefined;
};

/** A link for one use, and its end. `mailed`: whether the mail server took it; absent where none was mailed. */
export type Link = { link: string; expiresAt: Date; mailed?: boolean };

export type PersonService = ReturnType<typeof createPersonService>;

const linkSeconds = 24 * 3600;

/** The people of an account: who they are, and what they may do. */
export function createPersonService(deps: Deps) {
  const { store, commit, commitAddition, clock, audit, log, endKeys, linkOf, mail } = deps;
  const get = async (account: string, id: string): Promise<StoredPerson> => {
    const person = await store.find(account, id);
    if (!person) throw noPerson(id);
    return person;
  };

  const putLink = async (tx: Transaction, account: string, personId: string | null, origin: Origin): Promise<Link> => {
    const { token, hash } = createCredential('twl');
    const [createdAt, createdBy] = [clock(), origin.actor];
    const expiresAt = addSeconds(createdAt, linkSeconds);
    await store.putLink(tx, { hash, account, personId, createdAt, createdBy, expiresAt });
    return { link: linkOf(token), expiresAt };
  };

  const mailed = async (person: StoredPerson, link: Link): Promise<Link> => {
    const isMailed = await mailLink(mail, person, link);
    return isMailed === undefined ? link : { ...link, mailed: isMailed };
  };

  /** Refuses what would leave an account without an owner, or without one who can sign in. The people of the account are locked. */
  const requireOwnerLeft = async (tx: Transaction, { account, id, role, status }: StoredPerson): Promise<void> => {
    if (role !== 'owner') return;
    if ((await store.countOtherOwners(tx, account, id, status === 'active' ? status : undefined)) > 0) return;
    throw new DomainError('conflict', 'this is the last owner of the account: make another person an owner first');
  };

  const record = (tx: Transaction, at: Date, account: string, origin: Origin, [action, id, detail]: Recorded) =>
    audit(tx, { at, account, origin, action, target: `person:${id}`, detail: detail ?? {} });

  return {
    get,
    list: store.list,

    /** Makes a person who can do no more than the caller, and a link for them. @throws DomainError `forbidden`, `person-exists`, `too-many-requests` */
    async create(caller: Grantee, request: NewPerson, origin: Origin): Promise<Link & { person: StoredPerson }> {
      const { account } = caller;
      const { name, email = null } = request;
      const granted = grantOf(request, account);
      requireGrantable(caller, granted.permissions);
      const [id, at] = [randomUUID(), clock()];
      const link = await commitAddition(async (tx) => {
        const most = mostOfAccount.people;
        if ((await store.count(tx, account, most)) >= most) throw tooMany('people', most, 'delete those who left');
        const person = { id, account, name, email, ...granted, status: 'invited' as const, providerId: null };
        const isNew = await store.insert(tx, { ...person, createdAt: at, createdBy: origin.actor });
        if (!isNew) throw nameTaken(name);
        await record(tx, at, account, origin, ['person.create', id, { name, ...granted }]);
        return putLink(tx, account, id, origin);
      });
      const person = await get(account, id);
      return { person, ...(await mailed(person, link)) };
    },

    /**
     * Changes a person. Their sessions are judged by what they may do now; a suspension ends them.
     * @throws DomainError `not-found`, `forbidden`, `conflict` for the last owner, `person-exists`
     */
    async update(caller: Grantee, id: string, change: PersonChange, origin: Origin): Promise<StoredPerson> {
      const { account } = caller;
      await commit(async (tx) => {
        const person = await store.lock(tx, account, id);
        if (!person) throw noPerson(id);
        requireManageable(caller, person.permissions);
        const update = updateOf(change, account);
        requireGrantable(caller, update.permissions ?? []);
        if (change.status === 'active' && person.status === 'invited') throw notAcceptedYet();
        const losesRole = update.permissions !== undefined && update.role !== 'owner';
        if (losesRole || change.status === 'suspended') await requireOwnerLeft(tx, person);
        if (!(await store.update(tx, account, id, update))) throw nameTaken(change.name ?? person.name);
        if (change.status === 'suspended') await store.endSessions(tx, id);
        const isJudgedAgain = update.permissions !== undefined || change.status === 'suspended';
        const ended = isJudgedAgain ? await endKeys(tx, account, [id], origin) : [];
        const at = clock();
        await record(tx, at, account, origin, ['person.update', id, { ...update }]);
        await log(tx, at, [personEntry(account, id), ...ended]);
      });
      return get(account, id);
    },

    /** Ends a person's access at once. @throws DomainError `not-found`, `forbidden`, `conflict` for the last owner */
    async delete(caller: Grantee, id: string, origin: Origin): Promise<void> {
      const { account } = caller;
      await commit(async (tx) => {
        const person = await store.lock(tx, account, id);
        if (!person) throw noPerson(id);
        requireManageable(caller, person.permissions);
        await requireOwnerLeft(tx, person);
        const at = clock();
        await store.delete(tx, account, id, at);
        const ended = await endKeys(tx, account, [id], origin);
        await record(tx, at, account, origin, ['person.delete', id, { name: person.name }]);
        await log(tx, at, [personEntry(account, id), ...ended]);
      });
    },

    /** Another link for a person who lost theirs, or every way in. @throws DomainError `not-found`, `forbidden` */
    async renewLink(caller: Grantee, id: string, origin: Origin): Promise<Link> {
      const { account } = caller;
      const link = await commitAddition(async (tx) => {
        const person = await store.lock(tx, account, id);
        if (!person) throw noPerson(id);
        requireManageable(caller, person.permissions);
        await record(tx, clock(), account, origin, ['person.link', id]);
        return putLink(tx, account, id, origin);
      });
      return mailed(await get(account, id), link);
    },

    /** A link that makes an owner of an account. */
    ownerLink: (account: string, origin: Origin): Promise<Link> =>
      commitAddition(async (tx) => {
        const target = `account:${account}`;
        await audit(tx, { at: clock(), account, origin, action: 'person.owner-link', target });
        return putLink(tx, account, null, origin);
      }),
  };
}

type Recorded = [action: string, id: string, detail?: Parameters<AppendAudit>[1]['detail']];
type Granted = { role: Role | null; permissions: Permission[] };

function grantOf({ role, permissions }: Pick<NewPerson, 'role' | 'permissions'>, account: string): Granted {
  return { role: role ?? null, permissions: permissions ?? permissionsOfRole(role!, account) };
}

function updateOf({ name, email, role, permissions, status }: PersonChange, account: string): PersonUpdate {
  const isGranted = role !== undefined || permissions !== undefined;
  return {
    ...(name === undefined ? {} : { name }),
    ...(email === undefined ? {} : { email }),
    ...(status === undefined ? {} : { status }),
    ...(isGranted ? grantOf({ role, permissions }, account) : {}),
  };
}

function noPerson(id: string): DomainError {
  return new DomainError('not-found', `there is no person ${id}`);
}

function nameTaken(name: string): DomainError {
  return new DomainError('person-exists', `the account has a person ${name}: choose another name`);
}

function notAcceptedYet(): DomainError {
  return new DomainError(
    'conflict',
    'this person has not opened their link yet: POST /v1/people/{id}/link makes another',
  );
}
