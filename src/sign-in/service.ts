import type { Grantee } from '../access/grantee.js';
import type { Clock } from '../clock.js';
import type { Commit } from '../db/client.js';
import { DomainError } from '../errors.js';
import type { Origin } from '../origin.js';
import type { PersonStore, StoredPerson } from '../people/store.js';
import type { AttemptStore } from './attempt-store.js';
import type { FailedSignIns, Named } from './failed-sign-ins.js';
import type { Guesses } from './methods/guesses.js';
import type { MethodStore } from './methods/method-store.js';
import type { KnownPasskey, PasskeyAnswer, Passkeys } from './methods/passkeys.js';
import type { Passwords } from './methods/password.js';
import { recoveryHash } from './methods/recovery.js';
import type { OpenedSession, Sessions } from './sessions/sessions.js';
import type { Vouched } from './sessions/session-store.js';
import { startAgain, type Shown, type OpenTransaction, type Transactions } from './transaction.js';
import { totpStepOf } from './methods/totp.js';

/** Who asks: where from, and with which browser. */
export type Requester = { origin: Origin; userAgent: string | undefined };

/** What signing in works with. */
export type SignInDeps = {
  people: Pick<PersonStore, 'findById' | 'findByName' | 'update'>;
  methods: MethodStore;
  attempts: AttemptStore;
  sessions: Sessions;
  guesses: Guesses;
  passwords: Passwords;
  passkeys: Passkeys;
  transactions: Transactions;
  failed: Pick<FailedSignIns, 'watching'>;
  /** Opens the secret of somebody's authenticator app. */
  openTotp(personId: string, sealed: Buffer): string;
  commit: Commit;
  /** For what takes no right away, and whose answer cannot be had again. */
  commitAddition: Commit;
  clock: Clock;
};

/** A passkey that was shown, with or without saying whose it is. */
export type ShownPasskey = { account?: string | undefined; name?: string | undefined; response: PasskeyAnswer };

/** The first half of signing in with a password. */
export type TypedPassword = { account: string; name: string; password: string };

type About = (named: Named) => void;

export type SignIn = ReturnType<typeof createSignIn>;

const nobody = '00000000-0000-4000-8000-000000000000';

/** The ways in, step by step. */
export function createSignIn(deps: SignInDeps) {
  const { people, methods, attempts, sessions, guesses, passwords, passkeys, transactions, failed, clock } = deps;

  /** Signs a person in who has shown everything; the transaction that led here is used up. */
  const finish = (
    person: StoredPerson,
    how: string[],
    { origin, userAgent }: Requester,
    { hash, expiresAt }: Pick<OpenTransaction<Shown['kind']>, 'hash' | 'expiresAt'>,
    vouched?: Vouched,
  ): Promise<OpenedSession> => {
    requireWelcome(person);
    return deps.commitAddition(async (tx) => {
      if (!(await attempts.spend(tx, hash, expiresAt))) throw startAgain();
      await people.update(tx, person.account, person.id, { lastSignInAt: clock() });
      return sessions.open(tx, { person, methods: how, origin, userAgent, ...(vouched ? { vouched } : {}) });
    });
  };

  const requireCode = async (personId: string, code: string): Promise<void> => {
    const { totpSealed } = await methods.typed(personId);
    const step = totpSealed ? totpStepOf(deps.openTotp(personId, totpSealed), code, clock()) : undefined;
    if (step === undefined || !(await methods.takeStep(personId, step))) throw wrongCode();
  };

  /** The person who showed a passkey that answers a challenge. */
  const requirePasskey = async (response: PasskeyAnswer, challenge: string, about: About): Promise<KnownPasskey> => {
    const { id } = response;
    const known = typeof id === 'string' ? await methods.findPasskey(id) : undefined;
    if (!known) throw unknownPasskey();
    const person = await people.findById(known.personId);
    if (person) about(namedAs(person));
    const counter = await passkeys.shown(response, challenge, known);
    if (!(await methods.usePasskey(known.id, counter, clock()))) throw unknownPasskey();
    return known;
  };

  /** The person whose password was right. */
  const requireSecond = async (sealed: string | undefined, about: About) => {
    const transaction = transactions.open(sealed, 'second');
    const person = await people.findById(transaction.shown.person);
    if (!person) throw startAgain();
    about(namedAs(person));
    return { transaction, person };
  };

  return {
    finish,

    /**
     * Judges the first half of signing in with a password. Returns the transaction in which the second half may follow. A name that
     * nobody has costs the same work. @throws DomainError `invalid-credential`, `too-many-requests`, `sign-in-refused`
     */
    password({ account, name, password }: TypedPassword, { origin }: Requester): Promise<string> {
      return failed.watching({ method: 'password', origin }, async (about) => {
        if (!(await attempts.takesPasswords(account))) throw passwordsOff();
        about({ account });
        const whom = `${account} ${name.normalize('NFKC').trim().toLowerCase()}`;
        const person = await guesses.judging('password', whom, async () => {
          const found = await people.findByName(account, name);
          if (found) about(namedAs(found));
          const { passwordHash } = await methods.typed(found?.id ?? nobody);
          const isRight = await passwords.isRight(password, found?.status === 'active' ? passwordHash : null);
          if (!found || !isRight) throw new DomainError('invalid-credential', 'account, name or password is wrong');
          return found;
        });
        return transactions.begin({ kind: 'second', person: person.id });
      });
    },

    /** @throws DomainError `invalid-credential`, `too-many-requests` */
    totp(sealed: string | undefined, code: string, requester: Requester): Promise<OpenedSession> {
      return failed.watching({ method: 'totp', origin: requester.origin }, async (about) => {
        const { transaction, person } = await requireSecond(sealed, about);
        await guesses.judging('code', person.id, () => requireCode(person.id, code));
        return finish(person, ['password', 'totp'], requester, transaction);
      });
    },

    /** A recovery code in place of one of an authenticator app: each counts once. @throws DomainError `invalid-credential`, `too-many-requests` */
    recovery(sealed: string | undefined, code: string, requester: Requester): Promise<OpenedSession> {
      return failed.watching({ method: 'recovery', origin: requester.origin }, async (about) => {
        const { transaction, person } = await requireSecond(sealed, about);
        await guesses.judging('code', person.id, async () => {
          if (!(await methods.takeRecoveryCode(person.id, recoveryHash(person.id, code)))) throw wrongCode();
        });
        return finish(person, ['password', 'recovery'], requester, transaction);
      });
    },

    /** What a browser needs to show a passkey, and the transaction that it belongs to. @throws DomainError `passkeys-off` */
    async passkeyOptions() {
      const options = await passkeys.request();
      return { options, transaction: transactions.begin({ kind: 'passkey', challenge: options.challenge }) };
    },

    /** @throws DomainError `invalid-credential`, `passkeys-off` */
    passkey(
      sealed: string | undefined,
      { account, name, response }: ShownPasskey,
      requester: Requester,
    ): Promise<OpenedSession> {
      return failed.watching({ method: 'passkey', origin: requester.origin }, async (about) => {
        const transaction = transactions.open(sealed, 'passkey');
        if (account !== undefined) about({ account });
        const { personId } = await requirePasskey(response, transaction.shown.challenge, about);
        const person = await people.findById(personId);
        const named = account !== undefined && name !== undefined ? await people.findByName(account, name) : person;
        if (person?.status !== 'active' || named?.id !== person.id) throw unknownPasskey();
        return finish(person, ['passkey'], requester, transaction);
      });
    },

    /**
     * Takes a fresh factor of somebody who is signed in. Their session gets a new secret, which is returned.
     * @throws DomainError `invalid-credential`, `too-many-requests`, `passkeys-off`
     */
    stepUp(
      caller: Grantee,
      sealed: string | undefined,
      factor: { code: string } | { response: PasskeyAnswer },
      origin: Origin,
    ): Promise<string> {
      const { person } = caller.session!;
      const method = 'code' in factor ? 'totp' : 'passkey';
      return failed.watching({ action: 'step-up', method, origin }, async (about) => {
        about({ account: caller.account, person });
        if ('code' in factor) {
          await guesses.judging('code', person, () => requireCode(person, factor.code));
          return deps.commit((tx) => sessions.stepUp(tx, caller, method, origin));
        }
        const { shown, hash, expiresAt } = transactions.open(sealed, 'passkey');
        // Whoever is signed in is meant, whosever passkey it is.
        const { personId } = await requirePasskey(factor.response, shown.challenge, () => {});
        if (personId !== person) throw unknownPasskey();
        return deps.commit(async (tx) => {
          if (!(await attempts.spend(tx, hash, expiresAt))) throw startAgain();
          return sessions.stepUp(tx, caller, method, origin);
        });
      });
    },
  };
}

const namedAs = ({ account, id }: StoredPerson): Named => ({ account, person: id });

/** @throws DomainError `sign-in-refused` for a person who may not come in, `account-suspended` */
export function requireWelcome({ status, account, accountStatus }: StoredPerson): void {
  if (accountStatus !== 'active') throw new DomainError('account-suspended', `the account ${account} is suspended`);
  if (status === 'suspended')
    throw new DomainError('sign-in-refused', 'you are suspended: ask somebody who manages the people of the account');
}

/** What is said where an account takes no passwords. */
export function passwordsOff(): DomainError {
  return new DomainError('sign-in-refused', 'this account takes no passwords: use a passkey or single sign-on');
}

function wrongCode(): DomainError {
  return new DomainError('invalid-credential', 'the code is wrong or was used before: wait for the next one');
}

function unknownPasskey(): DomainError {
  return new DomainError('invalid-credential', 'the passkey was not accepted: try again, or use another way in');
}
