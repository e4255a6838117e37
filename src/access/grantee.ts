import { DomainError } from '../errors.js';
import type { Permission, Role } from './permissions.js';

/** What whoever asks about others may promise: the answers rely on it. */
export const promiseNames = ['bearer', 'enforcesCrl', 'followsFeed', 'inUrl'] as const;

/** What the owner of an API key promises about whoever uses it. Each weakens a check, so only its owner can give it. */
export type Promises = {
  /** Sees no client certificates: a token alone will do. */
  bearer: boolean;
  /** Refuses revoked certificates itself: a thing's name alone will do. */
  enforcesCrl: boolean;
  /** Drops what an entry of the feed names, so its answers last longer. */
  followsFeed: boolean;
  /** May stand in a URL, where nothing else can carry it. */
  inUrl: boolean;
};

/** The same for every promise. */
export function eachPromise<Value>(value: Value): Record<keyof Promises, Value> {
  return { bearer: value, enforcesCrl: value, followsFeed: value, inUrl: value };
}

/** The promises among other members. */
export function promisesOf({ bearer, enforcesCrl, followsFeed, inUrl }: Promises): Promises {
  return { bearer, enforcesCrl, followsFeed, inUrl };
}

/** Whoever holds permissions in an account: an admin, an operator, a proxy. How they proved it is not said here. */
export type Grantee = {
  kind: 'grantee';
  /** Of the credential: each has its own rate and queue. */
  id: string;
  account: string;
  /** As the audit names them. */
  actor: string;
  /** Null where single permissions were granted. */
  role: Role | null;
  permissions: ReadonlySet<Permission>;
  expiresAt: Date | null;
  promises: Promises;
  /** Of a person who signed in; keys have none. */
  session?: Session;
};

/** Where a person is signed in. */
export type Session = {
  id: string;
  /** The person's id. */
  person: string;
  /** How they signed in, such as `passkey`. */
  methods: readonly string[];
  /** When they last showed a factor. */
  authenticatedAt: Date;
  /** Whether it still lives: neither idle for too long, nor too old. */
  isLive(at: Date): boolean;
  /** Notes that the person did something, which puts the idle end off. */
  touch(at: Date): void;
};

const steppedUpMs = 5 * 60_000;

/** Until when a session counts as stepped up. */
export const steppedUpUntil = ({ authenticatedAt }: Pick<Session, 'authenticatedAt'>): Date =>
  new Date(authenticatedAt.getTime() + steppedUpMs);

/** Refuses a person who showed no factor within the last five minutes. Keys are never asked. @throws DomainError `step-up-required` */
export function requireStepUp({ session }: Grantee, at: Date): void {
  if (!session || at < steppedUpUntil(session)) return;
  throw new DomainError(
    'step-up-required',
    'show a factor again: POST /v1/me/step-up, then repeat this within 5 minutes',
  );
}

/**
 * Refuses a grantee that lacks a permission: what a request would do needs the same permissions by whatever route
 * it is asked for. @throws DomainError `forbidden`, which names what is lacking, and says `why` it is needed
 */
export function requirePermissions(grantee: Grantee, wanted: Permission[], why?: string): void {
  const lacking = wanted.filter((permission) => !grantee.permissions.has(permission));
  if (lacking.length === 0) return;
  const reason = why === undefined ? '' : `, which ${why} needs`;
  const [who, next] = grantee.session
    ? ['you lack', 'ask somebody who has it']
    : ['the API key lacks', 'use a key that has it'];
  throw new DomainError('forbidden', `${who} ${lacking.join(', ')}${reason}: ${next}`);
}
