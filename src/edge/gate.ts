import type { Refusal, Verdict } from '../authorize/judge.js';
import type { Context } from '../policy/condition.js';
import type { Principal } from '../policy/variables.js';

/** What a connection or a request shows of itself. */
export type Shown = {
  /** A compact JWS, as the device sent it. */
  token?: string | undefined;
  /** SHA-256 of the DER of the client certificate, lower-case hex; its signature was verified. */
  fingerprint?: string | undefined;
  /** The listener asks for no client certificates: the flag `bearer` of the API key counts here, and only here. */
  withoutCertificates: boolean;
};

/** A thing that was identified. Only the gate that made it reads more of it; it is judged again at each question. */
export type Guest = {
  readonly account: string;
  readonly thingName: string;
  readonly thingId: string;
  /** Of the certificate that was shown, or that the token is bound to; lower-case hex. */
  readonly fingerprint: string;
  /** Milliseconds since 1970 by the followed clock: when the token expires, or else the certificate. */
  readonly expiresAt: number;
  /** A token was shown. */
  readonly byToken: boolean;
};

/**
 * Why nobody is let in. `away`: the control plane does not answer and the principal is unknown, or trust ran out;
 * `refused`: the control plane answered 401 or 403, so that this edge may let in nobody.
 */
export type Barred = { barred: Refusal | 'away' | 'refused'; detail: string };

/** What is asked of a guest. With `whole`, `receive` is asked of every topic of a filter: it must lie inside one allow. */
export type Ask = { action: string; resource: string; context?: Context | undefined; whole?: boolean | undefined };

/** What changed. `things` are names; `everything` after a snapshot, a policy, a segment, an account's status, or the end of trust. */
export type Change = {
  cursor: string;
  things: ReadonlySet<string>;
  everything: boolean;
  sessions: ReadonlySet<string>;
};

/** Whether what is known still counts: `live`, `dark` (away, within the time of trust), `spent` (trust ran out), `refused` (401 or 403). */
export type Trust = 'starting' | 'live' | 'dark' | 'spent' | 'refused';

/** Decides for a proxy, in memory. */
export type Gate = {
  /** A promise only when the control plane has to be asked about a certificate. */
  identify(shown: Shown): Guest | Barred | Promise<Guest | Barred>;
  /**
   * Judges the credentials and the status of a guest, and then the question, by what is known now. Never waits and never
   * throws: what cannot be decided is a deny.
   */
  judge(guest: Guest, ask: Ask): Verdict;
  /** Why a guest may no longer be here at all (revoked, suspended, expired, unconfirmed), or undefined. */
  standing(guest: Guest): Barred | undefined;
  /**
   * The same; or for a guest who may be here, what judges several questions about them at once. Use that before anything is
   * awaited: it does not hear of changes.
   */
  review(guest: Guest): Barred | ((ask: Ask) => Verdict);
  /**
   * Whether a guest who may no longer be here will not come back either: the thing is revoked, or its certificate for good and it has
   * no other. A promise only when the control plane has to be asked; it does not reject.
   */
  isGone(guest: Guest): boolean | Promise<boolean>;
  /** The segment that a guest is in now, by its name; undefined for one in none, or that is no longer known. */
  segmentOf(guest: Guest): string | undefined;
  /** What the variables of policies and pipelines stand for; undefined for a guest about whom nothing is known now. */
  principalOf(guest: Guest): Principal | undefined;
  /** Whether a client certificate (DER) was signed by one of the account's issuers. The dates are judged by `standing`. */
  isIssued(der: Uint8Array): boolean;
  /** The followed clock, milliseconds since 1970. Monotonic while running. */
  now(): number;
  trust(): Trust;
  /** Hears of each change after it is applied, and says when no live session contradicts it, and how many it ended. */
  follow(enforce: (change: Change) => Promise<number>): void;
};

/** Somebody who holds live sessions, and confirms by receipts under another name. */
export type Holder = {
  /** At the control plane. */
  name: string;
  /** Ends the sessions that a change contradicts. Resolves with their number once they are gone. */
  enforce(change: Change): Promise<number>;
  /** False while something live may contradict what was enforced before. */
  isClear(): boolean;
  /** False while live sessions are not known. */
  speaks(): boolean;
};
