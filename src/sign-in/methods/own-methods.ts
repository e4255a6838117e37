import type { Grantee } from '../../access/grantee.js';
import type { PersonKeys } from '../../api-keys/person-keys.js';
import type { AppendAudit } from '../../audit/store.js';
import type { Transaction } from '../../db/client.js';
import { DomainError } from '../../errors.js';
import { mostOfPerson, tooMany } from '../../limits.js';
import type { AppendLog } from '../../log/append.js';
import { personEntry } from '../../log/builders.js';
import type { Origin } from '../../origin.js';
import type { PersonStore, StoredPerson } from '../../people/store.js';
import type { Setup } from './setup.js';
import { passwordsOff, type SignInDeps } from '../service.js';
import type { OpenTransaction } from '../transaction.js';
import { newTotpSecret, totpUri } from './totp.js';

type Deps = Pick<SignInDeps, 'methods' | 'attempts' | 'sessions' | 'passkeys' | 'transactions' | 'commit' | 'clock'> & {
  people: Pick<PersonStore, 'findById' | 'lock'>;
  setup: Setup;
  keys: Pick<PersonKeys, 'end'>;
  audit: AppendAudit;
  log: AppendLog;
};

export type OwnMethods = ReturnType<typeof createOwnMethods>;

/** What people who are signed in change about their ways in. Each change ends their other sessions. */
export function createOwnMethods(deps: Deps) {
  const { people, methods, attempts, sessions, passkeys, transactions, setup, keys, commit, clock, audit, log } = deps;

  const own = async ({ session }: Grantee): Promise<StoredPerson> => {
    const person = await people.findById(session!.person);
    if (!person) throw new DomainError('not-found', 'you were deleted');
    return person;
  };

  const change = (caller: Grantee, origin: Origin, action: string, work: (tx: Transaction) => Promise<void>) =>
    commit(async (tx) => {
      const { account, session } = caller;
      await work(tx);
      await sessions.endOthers(tx, session!.person, session!.id);
      const ended = await keys.end(tx, account, [session!.person], origin);
      const at = clock();
      await audit(tx, { at, account, origin, action, target: `person:${session!.person}` });
      await log(tx, at, [personEntry(account, session!.person), ...ended]);
    });

  /** Takes a way in away, unless it is the last. @throws DomainError `conflict` */
  const removing = async (
    tx: Transaction,
    { account, session }: Grantee,
    remove: () => Promise<void>,
  ): Promise<void> => {
    // Two that are removed at once would each see the other.
    await people.lock(tx, account, session!.person);
    await remove();
    const left = await people.lock(tx, account, session!.person);
    if (left?.methods.length === 0)
      throw new DomainError('conflict', 'this is your last way in: set up another one first');
  };

  return {
    own,
    passkeysOf: methods.passkeysOf,
    countRecoveryCodes: methods.countRecoveryCodes,

    /** What is needed to set up another passkey or a password, and the transaction that it belongs to. */
    async begin(caller: Grantee, from: string | undefined) {
      const person = await own(caller);
      const whyOff = passkeys.whyOff(from);
      const options =
        whyOff === undefined
          ? await passkeys.creation(
              person,
              (await methods.passkeysOf(person.id)).map(({ credentialId }) => credentialId),
            )
          : undefined;
      const secret = newTotpSecret();
      const challenge = options?.challenge ?? '';
      const transaction = transactions.begin({ kind: 'setup', person: person.id, challenge, totp: secret });
      return { transaction, passkey: { options, whyOff }, totp: { secret, uri: totpUri(secret, person.name) } };
    },

    /** @throws DomainError `invalid-credential`, `conflict`, `too-many-requests` */
    async addPasskey(
      caller: Grantee,
      sealed: string | undefined,
      { name, response }: { name: string; response: Record<string, unknown> },
      origin: Origin,
    ): Promise<void> {
      const { shown, hash, expiresAt } = requireOwn(transactions.open(sealed, 'setup'), caller);
      const passkey = await setup.passkey(response, shown.challenge);
      if ((await methods.passkeysOf(shown.person)).length >= mostOfPerson.passkeys)
        throw tooMany('passkeys of yours', mostOfPerson.passkeys, 'remove one that you lost');
      await change(caller, origin, 'person.passkey-add', async (tx) => {
        if (!(await attempts.spend(tx, hash, expiresAt))) throw used();
        await setup.storePasskey(tx, shown.person, name, passkey);
      });
    },

    /** @throws DomainError `not-found`, `conflict` for the last way in */
    async removePasskey(caller: Grantee, id: string, origin: Origin): Promise<void> {
      const { person } = caller.session!;
      await change(caller, origin, 'person.passkey-remove', (tx) =>
        removing(tx, caller, async () => {
          if (await methods.removePasskey(tx, person, id)) return;
          throw new DomainError('not-found', `you have no passkey ${id}`);
        }),
      );
    },

    /** Sets password and authenticator app. Returns new recovery codes. @throws DomainError `invalid-credential`, `invalid-request`, `sign-in-refused` */
    async setPassword(
      caller: Grantee,
      sealed: string | undefined,
      { password, code }: { password: string; code: string },
      origin: Origin,
    ): Promise<string[]> {
      const person = await own(caller);
      if (!(await attempts.takesPasswords(person.account))) throw passwordsOff();
      const { shown, hash, expiresAt } = requireOwn(transactions.open(sealed, 'setup'), caller);
      const secrets = await setup.password(person, { password, code, totp: shown.totp });
      let codes: string[] = [];
      await change(caller, origin, 'person.password-set', async (tx) => {
        if (!(await attempts.spend(tx, hash, expiresAt))) throw used();
        codes = await setup.storePassword(tx, person.id, secrets);
      });
      return codes;
    },

    /** @throws DomainError `not-found`, `conflict` for the last way in */
    async removePassword(caller: Grantee, origin: Origin): Promise<void> {
      const person = await own(caller);
      if (!person.methods.includes('password')) throw new DomainError('not-found', 'you have no password');
      await change(caller, origin, 'person.password-remove', (tx) =>
        removing(tx, caller, () => methods.removePassword(tx, person.id)),
      );
    },

    /** New recovery codes; the old ones end. @throws DomainError `conflict` without a password */
    async renewRecoveryCodes(caller: Grantee, origin: Origin): Promise<string[]> {
      const person = await own(caller);
      if (!person.methods.includes('password'))
        throw new DomainError('conflict', 'recovery codes stand in for an authenticator app: set a password first');
      let codes: string[] = [];
      await change(caller, origin, 'person.recovery-codes', async (tx) => {
        codes = await setup.storeRecoveryCodes(tx, person.id);
      });
      return codes;
    },
  };
}

type Own = OpenTransaction<'setup'>;

function requireOwn(transaction: Own, { session }: Grantee): Own {
  if (transaction.shown.person !== session!.person) throw used();
  return transaction;
}

function used(): DomainError {
  return new DomainError('invalid-credential', 'this setup has expired or was completed: begin it again');
}
