import { createHash } from 'node:crypto';
import type { Grantee } from '../../access/grantee.js';
import type { PersonKeys } from '../../api-keys/person-keys.js';
import type { AppendLog } from '../../log/append.js';
import type { Origin } from '../../origin.js';
import type { PersonStore, StoredPerson } from '../../people/store.js';
import { requireWelcome, type SignInDeps } from '../service.js';
import type { SessionStore } from '../sessions/session-store.js';
import { startAgain } from '../transaction.js';

type Deps = Pick<SignInDeps, 'attempts' | 'transactions' | 'commitAddition' | 'clock'> & {
  people: Pick<PersonStore, 'findById' | 'lock'>;
  sessionStore: Pick<SessionStore, 'hold'>;
  keys: Pick<PersonKeys, 'create'>;
  log: AppendLog;
};

/** A key for a command line, and whose it is. */
export type CommandLineKey = { key: string; expiresAt: Date; person: StoredPerson };

export type CommandLine = ReturnType<typeof createCommandLine>;

/**
 * How the command line of somebody who is signed in gets a key: a code, which their browser takes to this machine, and the key for whoever
 * began it, who alone knows what the challenge was made of (RFC 8252, RFC 7636).
 */
export function createCommandLine({ people, attempts, transactions, sessionStore, keys, ...deps }: Deps) {
  return {
    /** A code that counts once, for the next ten minutes. */
    begin({ session }: Grantee, challenge: string): { code: string; expiresAt: Date } {
      const { id, person } = session!;
      const code = transactions.begin({ kind: 'command-line', person, session: id, challenge });
      return { code, expiresAt: transactions.open(code, 'command-line').expiresAt };
    },

    /**
     * The key for a code. It ends with the session's provider, if there is one, because nobody asks that again.
     * @throws DomainError `invalid-credential`, `sign-in-refused`, `account-suspended`, `too-many-requests`
     */
    async finish(code: string, verifier: string, origin: Origin): Promise<CommandLineKey> {
      const { shown, hash, expiresAt } = transactions.open(code, 'command-line');
      if (digestOf(verifier) !== shown.challenge) throw startAgain();
      const known = await people.findById(shown.person);
      if (!known) throw startAgain();
      return deps.commitAddition(async (tx) => {
        if (!(await attempts.spend(tx, hash, expiresAt))) throw startAgain();
        const person = await people.lock(tx, known.account, known.id);
        // Whoever signed out meanwhile, or was signed out, takes no key along.
        const session = await sessionStore.hold(tx, shown.session);
        const at = deps.clock();
        if (!person || !session || session.expiresAt <= at) throw startAgain();
        requireWelcome(person);
        const actor = { ...origin, actor: `person:${person.id}` };
        const made = await keys.create(tx, person, { until: session.vouchedUntil, origin: actor });
        if (made.entries.length > 0) await deps.log(tx, at, made.entries);
        return { key: made.key, expiresAt: made.expiresAt, person };
      });
    },
  };
}

/** RFC 7636 §4.2, S256. */
const digestOf = (verifier: string): string => createHash('sha256').update(verifier).digest('base64url');
