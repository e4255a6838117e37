import { randomBytes } from 'node:crypto';
import { addSeconds, type Clock } from '../clock.js';
import { hashCredential } from '../access/credentials.js';
import { DomainError } from '../errors.js';
import type { Sealer } from '../sealing.js';

/** How long somebody may take from one step of signing in to the next. */
export const transactionSeconds = 600;

/** What somebody has shown so far, and what they have to show next. */
export type Shown =
  | { kind: 'passkey'; challenge: string }
  /** Their password was right. */
  | { kind: 'second'; person: string }
  /** They opened a link, and may set up a way in. */
  | { kind: 'link'; link: string; user: string; challenge: string; totp: string }
  /** They are signed in, and set up another way in. */
  | { kind: 'setup'; person: string; challenge: string; totp: string }
  /** They are signed in, and give their command line a key. */
  | { kind: 'command-line'; person: string; session: string; challenge: string }
  /** They were sent to a provider: to sign in, to open a link, or to step up in a session. */
  | {
      kind: 'oidc';
      provider: string;
      state: string;
      nonce: string;
      verifier: string;
      link?: string | undefined;
      session?: string | undefined;
    };

/** A transaction that was opened: what it shows, and the hash under which it is used up. */
export type OpenTransaction<Kind extends Shown['kind']> = {
  shown: Extract<Shown, { kind: Kind }>;
  hash: Buffer;
  expiresAt: Date;
};

export type Transactions = ReturnType<typeof createTransactions>;

const context = 'sign-in transaction';

/**
 * Steps of signing in, sealed into a cookie: beginning one writes nothing down, whoever begins how many. Each counts once, because
 * what completes it stores its hash.
 */
export function createTransactions(sealer: Pick<Sealer, 'seal' | 'open'>, clock: Clock) {
  return {
    /** What the cookie holds for the next ten minutes. */
    begin(shown: Shown): string {
      const text = JSON.stringify({ shown, expiresAt: addSeconds(clock(), transactionSeconds), salt: salt() });
      return sealer.seal(Buffer.from(text), context).toString('base64url');
    },

    /** @throws DomainError `invalid-credential` for what is absent, of another kind, expired, or was not sealed here */
    open<Kind extends Shown['kind']>(sealed: string | undefined, kind: Kind): OpenTransaction<Kind> {
      const { shown, expiresAt } = read(sealer, sealed);
      if (shown.kind !== kind || new Date(expiresAt) <= clock()) throw startAgain();
      const hash = hashCredential(sealed!);
      return { shown: shown as Extract<Shown, { kind: Kind }>, hash, expiresAt: new Date(expiresAt) };
    },

    /** The link that is being opened, if any. */
    linkIn(sealed: string | undefined): string | undefined {
      try {
        const { shown, expiresAt } = read(sealer, sealed);
        return shown.kind === 'link' && new Date(expiresAt) > clock() ? shown.link : undefined;
      } catch {
        // A browser keeps whatever it was given.
        return undefined;
      }
    },
  };
}

/** The refusal of a step without a valid step before it. */
export function startAgain(): DomainError {
  return new DomainError('invalid-credential', 'this sign-in has expired or was completed: begin it again');
}

const salt = (): string => randomBytes(16).toString('base64url');

function read(sealer: Pick<Sealer, 'open'>, sealed: string | undefined): { shown: Shown; expiresAt: string } {
  if (sealed === undefined) throw startAgain();
  try {
    const opened = sealer.open(Buffer.from(sealed, 'base64url'), context).toString('utf8');
    return JSON.parse(opened) as { shown: Shown; expiresAt: string };
  } catch {
    throw startAgain();
  }
}
