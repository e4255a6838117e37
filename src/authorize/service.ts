import type { Grantee } from '../access/grantee.js';
import type { Clock } from '../clock.js';
import { DomainError } from '../errors.js';
import { createIdentify } from './identify.js';
import { createJudge, type Holder, type Refusal, type Subject, type Verdict } from './judge.js';
import type { Principals } from './principals.js';
import type { Question } from './question.js';
import type { KnownPrincipal } from './rights.js';
import type { Snapshot } from './snapshot.js';

type Deps = {
  clock: Clock;
  snapshot: Snapshot;
  principals: Pick<Principals, 'byToken' | 'byName' | 'byFingerprint'>;
  /** INVARIANT: an instance without a lease says nothing that depends on the log. @throws DomainError `not-ready` */
  requireLease(): void;
  /** The place in the log that is applied here. */
  cursor(): string;
  /** Resolves once the log is applied up to a cursor. @throws DomainError `not-ready`, `epoch-changed` */
  reach(cursor: string): Promise<void>;
  /** Told of every thing that was asked about. */
  seen(thingId: string, at: number): void;
  /** Told of every decision about a known thing. */
  decided(account: string, thingName: string, question: Question, verdict: Verdict, at: number): void;
  validitySeconds: { others: number; followers: number };
};

/** Of many questions: verifying so many tokens fits into a slice, and reading so many principals leaves connections to others. */
export const fewAtOnce = 8;

export type AuthorizeService = ReturnType<typeof createAuthorizeService>;

/** "May this device do that now?" Synchronous as soon as the principal is known. */
export function createAuthorizeService(deps: Deps) {
  const { clock, principals, requireLease, reach, seen, decided } = deps;
  const judge = createJudge(deps);
  const identify = createIdentify(principals);

  const conclude = (caller: Grantee, subject: Subject | Refusal, question: Question, now: number): Verdict => {
    if (typeof subject === 'string') return judge.refuse(caller, subject, now);
    const verdict = judge.decideFor(caller, subject, question, now);
    seen(subject.thingId, now);
    decided(subject.account, subject.name, question, verdict, now);
    return verdict;
  };

  const decideNow = (caller: Grantee, question: Question): Verdict | Promise<Verdict> => {
    requireLease();
    const now = clock().getTime();
    const { principal: form } = question;
    const found = identify(caller, form);
    if (!(found instanceof Promise)) return conclude(caller, judge.subjectOf(caller, form, found, now), question, now);
    return found.then((late) => {
      // Time passed while the registry was asked.
      requireLease();
      return conclude(caller, judge.subjectOf(caller, form, late, now), question, now);
    });
  };

  /** Whose rights count for an access token, with no certificate beside it. */
  const subjectOfToken = (caller: Grantee, token: string, now: number): Subject | Refusal =>
    judge.subjectOf(caller, { token }, principals.byToken(token), now);

  return {
    /**
     * The verdict; a promise only when something has to be read.
     * @throws DomainError `not-ready`, `epoch-changed`, `invalid-request` for a certificate that cannot be read
     */
    authorize(caller: Grantee, question: Question): Verdict | Promise<Verdict> {
      if (question.atLeast === undefined) return decideNow(caller, question);
      return reach(question.atLeast).then(() => decideNow(caller, question));
    },

    /** Whether an access token of the caller's account is valid now, whatever certificate came with it. @throws DomainError `not-ready` */
    isLive(caller: Grantee, token: string): boolean {
      requireLease();
      const lenient = { ...caller, promises: { ...caller.promises, bearer: true } };
      return typeof subjectOfToken(lenient, token, clock().getTime()) !== 'string';
    },

    /**
     * Whose token it is, and what decides about its rights now; a refusal when it is not valid.
     * @throws DomainError `not-ready`
     */
    holderOf(caller: Grantee, token: string): Holder | Refusal {
      requireLease();
      const now = clock().getTime();
      const subject = subjectOfToken(caller, token, now);
      if (typeof subject === 'string') return subject;
      seen(subject.thingId, now);
      return judge.holderOf(subject, now);
    },

    /** What would be decided about a thing by its name; noted nowhere. @throws DomainError `not-ready` */
    foresee(caller: Grantee, known: KnownPrincipal, question: Question): Verdict {
      requireLease();
      const now = clock().getTime();
      const subject = judge.subjectOf(caller, question.principal, known, now);
      return typeof subject === 'string'
        ? judge.refuse(caller, subject, now)
        : judge.decideFor(caller, subject, question, now);
    },

    /** A refusal that nothing had to be looked up for. */
    refused: (caller: Grantee, refusal: Refusal): Verdict => judge.refuse(caller, refusal, clock().getTime()),

    /** What is answered where one of many could not be decided, with the reason where it is the caller's to know. */
    undecided: (why: unknown): Verdict => ({
      ...judge.refuseFor('cannot-decide', clock().getTime()),
      ...(why instanceof DomainError ? { detail: why.message } : {}),
    }),
  };
}
