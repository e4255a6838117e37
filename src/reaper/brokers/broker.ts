import type { Right } from '../../policy/rights/rights.js';

/** A live session, as its broker lists it. */
export type LiveSession = {
  /** Names this session and no later one: its connection, with the port of the device or a number of the broker. */
  id: string;
  /** Whom the broker believes the device to be, in the broker's own words. */
  user: string;
  /** When it began, in milliseconds since 1970 by the broker's clock, if the broker says so. */
  since?: number | undefined;
};

/** What the broker itself has to know of a user: what they may do, or undefined for whoever may not be here. */
export type Provided = { user: string; list: { allow: readonly Right[]; deny: readonly Right[] } | undefined };

/** Why a user may not be here: `barred` whoever comes by this name, `cut` only the sessions that exist now. */
export type Why = { kind: 'barred' | 'cut'; reason: string };

/**
 * Whose live sessions the reaper ends. Each file of this folder talks to one kind. Every verb ends with its signal, reads bounded
 * answers, and throws an Error in words when the broker is away or answers what cannot be read; the reaper tries again.
 */
export type Broker = {
  /** It lists no sessions: an order that it took has been carried out, and every thing of the account may be here. */
  readonly isBlind?: boolean;

  /** For how long after a change the listings may say what was before, in milliseconds. */
  readonly lagMs: number;
  /** The same for `sessionsOf`, where that is less. */
  readonly userLagMs?: number;

  /** All live sessions, in pages of no more than 1000. A session that stays is on one of the pages. */
  sessions(signal: AbortSignal): AsyncIterable<LiveSession[]>;

  /** The live sessions of a user, without the lag where the broker can say so. */
  sessionsOf(user: string, signal: AbortSignal): Promise<LiveSession[]>;

  /** Ends every session that the user has now. None is no error. Resolves when the broker took the order. */
  end(user: string, signal: AbortSignal): Promise<void>;

  /** Keeps a user out, before their sessions are ended. Only for brokers that would let the user in again by themselves. */
  bar?(user: string, reason: string, signal: AbortSignal): Promise<void>;

  /** Lets in again a user whom `bar` kept out. */
  admit?(user: string, signal: AbortSignal): Promise<void>;

  /**
   * Brings the broker's own users in step: with `isWhole` these are all that there should be, and what somebody else changed is mended.
   * Resolves with the number of those changes.
   */
  provide?(users: readonly Provided[], isWhole: boolean, signal: AbortSignal): Promise<number>;

  /** Whether the broker answers, and takes the credentials: words for `reaper check`. */
  check(signal: AbortSignal): Promise<string>;

  /** Closes what is open. */
  close(): void;
};

/** What every kind of broker is made from. */
export type BrokerParts = {
  /** Where its management is. */
  url: string;
  credentials: Credentials | undefined;
  /** PEM: who signs the certificate of the management; undefined for public authorities. */
  ca: string | undefined;
  limits: BrokerLimits;
  /** Milliseconds since 1970. */
  now(): number;
};

/** How the reaper presents itself. */
export type Credentials = { username: string; password: string };

/** What a broker can cost at most. */
export type BrokerLimits = {
  /** Requests at the same time. */
  concurrency: number;
  /** Milliseconds that one answer may take, from the first octet of the request to the last of the answer. */
  timeout: number;
  /** Octets of one answer. */
  answerBytes: number;
  /** Sessions of a whole listing. */
  sessions: number;
};

/** What a broker answered cannot be used. */
export class BrokerError extends Error {
  override readonly name = 'BrokerError';
}
