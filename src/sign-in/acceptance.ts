import { randomUUID } from 'node:crypto';
import { permissionsOfRole } from '../access/permissions.js';
import type { PersonKeys } from '../api-keys/person-keys.js';
import type { AppendAudit } from '../audit/store.js';
import { hashCredential } from '../access/credentials.js';
import type { Transaction } from '../db/client.js';
import { DomainError } from '../errors.js';
import type { AppendLog } from '../log/append.js';
import { personEntry } from '../log/builders.js';
import type { PersonStore, StoredPerson } from '../people/store.js';
import type { FoundLink } from './attempt-store.js';
import type { Setup } from './methods/setup.js';
import { passwordsOff, requireWelcome, type Requester, type SignInDeps } from './service.js';
import type { OpenedSession } from './sessions/sessions.js';
import type { Vouched } from './sessions/session-store.js';
import { newTotpSecret, totpUri } from './methods/totp.js';

type Deps = Pick<
  SignInDeps,
  'methods' | 'attempts' | 'sessions' | 'passkeys' | 'transactions' | 'commit' | 'commitAddition' | 'clock'
> & {
  people: Pick<PersonStore, 'findById' | 'insert' | 'lock' | 'update' | 'endSessions'>;
  setup: Setup;
  keys: Pick<PersonKeys, 'end'>;
  audit: AppendAudit;
  log: AppendLog;
};

/** Sets up a way in, in the transaction that uses the link up. Returns what must be shown once. */
type SetUp = (tx: Transaction, personId: string) => Promise<string[]>;

/** Who is in, and the recovery codes that they get. */
export type Accepted = OpenedSession & { recoveryCodes: string[] };

/** How somebody came in through a link. */
type How = {
  name: string | undefined;
  methods: string[];
  requester: Requester;
  vouched?: Vouched;
  /** The account that the way in belongs to, where it belongs to one. */
  account?: string;
};

export type Acceptance = ReturnType<typeof createAcceptance>;

/** Links for one use: an invitation, another chance, or the first owner. */
export function createAcceptance(deps: Deps) {
  const { people, methods, attempts, sessions, passkeys, transactions, setup, keys, clock, audit, log } = deps;

  const find = async (hash: Buffer): Promise<FoundLink & { person: StoredPerson | undefined }> => {
    const link = await attempts.findLink(hash, clock());
    if (!link) throw usedUp();
    return { ...link, person: link.personId === null ? undefined : await people.findById(link.personId) };
  };

  /** Whoever a link is for, locked; an owner is made. */
  const receive = async (tx: Transaction, { account, personId }: FoundLink, how: How): Promise<StoredPerson> => {
    const id = personId ?? randomUUID();
    const at = clock();
    if (personId === null) {
      if (how.name === undefined)
        throw new DomainError('invalid-request', 'name: choose the name that you sign in with');
      const granted = { role: 'owner' as const, permissions: permissionsOfRole('owner', account), email: null };
      const made = {
        id,
        account,
        name: how.name,
        ...granted,
        status: 'active' as const,
        providerId: null,
        createdAt: at,
      };
      if (!(await people.insert(tx, { ...made, createdBy: 'owner-link' })))
        throw new DomainError('person-exists', `the account has a person ${how.name}: choose another name`);
    }
    const person = await people.lock(tx, account, id);
    if (!person) throw usedUp();
    requireWelcome(person);
    return person;
  };

  /**
   * Uses a link up, and signs its person in by what `setUp` stores. What they had before is gone, and so are their sessions.
   * @throws DomainError `invalid-credential`, `sign-in-refused`, and whatever `setUp` throws
   */
  const accept = async (link: string, how: How, setUp: SetUp): Promise<Accepted> => {
    const hash = Buffer.from(link, 'base64url');
    const { person: before } = await find(hash);
    // What takes a way in away has to be known everywhere first; a first one shows what cannot be shown again.
    const commit = before?.status === 'active' ? deps.commit : deps.commitAddition;
    return commit(async (tx) => {
      const taken = await attempts.takeLink(tx, hash, clock());
      if (!taken || (how.account !== undefined && how.account !== taken.account)) throw usedUp();
      const person = await receive(tx, taken, how);
      await methods.clear(tx, person.id);
      await people.endSessions(tx, person.id);
      const recoveryCodes = await setUp(tx, person.id);
      const at = clock();
      await people.update(tx, person.account, person.id, { status: 'active', lastSignInAt: at });
      const { requester, vouched } = how;
      const origin = { ...requester.origin, actor: `person:${person.id}` };
      const { account } = person;
      await audit(tx, {
        at,
        account,
        origin,
        action: 'person.accept',
        target: origin.actor,
        detail: { methods: how.methods },
      });
      const more = vouched ? { vouched } : {};
      const session = await sessions.open(tx, { person, methods: how.methods, ...requester, ...more });
      const ended = await keys.end(tx, account, [person.id], origin);
      await log(tx, at, [personEntry(account, person.id), ...ended]);
      return { ...session, recoveryCodes };
    });
  };

  return {
    /**
     * What a link is for, and what is needed to set up a way in; the link stays good. @throws DomainError `invalid-credential` for one
     * that was used, replaced or has expired
     */
    async open(token: string, from: string | undefined, chosen: string | undefined) {
      const hash = hashCredential(token);
      const { account, person } = await find(hash);
      const [user, name] = [person?.id ?? randomUUID(), person?.name ?? chosen ?? 'owner'];
      const whyOff = passkeys.whyOff(from);
      const options = whyOff === undefined ? await passkeys.creation({ id: user, name }, []) : undefined;
      const secret = newTotpSecret();
      const transaction = transactions.begin({
        kind: 'link',
        link: hash.toString('base64url'),
        user,
        challenge: options?.challenge ?? '',
        totp: secret,
      });
      const takesPasswords = await attempts.takesPasswords(account);
      const totp = { secret, uri: totpUri(secret, name) };
      return { account, person, transaction, passkey: { options, whyOff }, takesPasswords, totp };
    },

    accept,

    /** @throws DomainError `invalid-credential`, `passkeys-off`, `conflict` */
    async byPasskey(
      sealed: string | undefined,
      { name, label, response }: { name?: string | undefined; label: string; response: Record<string, unknown> },
      requester: Requester,
    ): Promise<Accepted> {
      const { shown } = transactions.open(sealed, 'link');
      const passkey = await setup.passkey(response, shown.challenge);
      return accept(shown.link, { name, methods: ['passkey'], requester }, async (tx, id) => {
        await setup.storePasskey(tx, id, label, passkey);
        return [];
      });
    },

    /** @throws DomainError `invalid-credential`, `invalid-request`, `sign-in-refused`, `too-many-requests` */
    async byPassword(
      sealed: string | undefined,
      { name, password, code }: { name?: string | undefined; password: string; code: string },
      requester: Requester,
    ): Promise<Accepted> {
      const { shown } = transactions.open(sealed, 'link');
      const { account, person } = await find(Buffer.from(shown.link, 'base64url'));
      if (!(await attempts.takesPasswords(account))) throw passwordsOff();
      const secrets = await setup.password({ name: person?.name ?? name ?? '' }, { password, code, totp: shown.totp });
      return accept(shown.link, { name, methods: ['password', 'totp'], requester }, (tx, id) =>
        setup.storePassword(tx, id, secrets),
      );
    },
  };
}

function usedUp(): DomainError {
  return new DomainError(
    'invalid-credential',
    'the link was used, replaced by a newer one, or is older than 24 hours: ask for another',
  );
}
