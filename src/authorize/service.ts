import type { Grantee } from '../access/grantee.js';
import type { Clock } from '../clock.js';
import { DomainError } from '../errors.js';
import type { Context } from '../policy/condition.js';
import { createEffectiveRights, type EffectiveRights } from './effective-rights.js';
import { createIdentify } from './identify.js';
import { createJudge, type Holder, type Refusal, type Subject, type Verdict } from './judge.js';
import type { Principals } from './principals.js';
import type { PrincipalForm, Question } from './question.js';
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
  /** Told of every decision. */
  counted(account: string, verdict: Verdict): void;
  /** Told of every decision about a known thing. */
  decided(account: string, thingName: string, question: Question, verdict: Verdict, at: number): void;
  validitySeconds: { others: number; followers: number };
};

/** Of many questions: verifying so many tokens fits into a slice, and reading so many principals leaves connections to others. */
export const fewAtOnce = 8;

export type AuthorizeService = ReturnType<typeof createAuthorizeService>;

type Late<Value> = Value | Promise<Value>;

/** What one device is asked about: everything of a question but who is meant. */
export type DeviceQuestion = Pick<Question, 'action' | 'resource' | 'context' | 'whole'>;

/** A device as a broker or proxy shows it. `username`: the name that it gives itself, which must be its own. */
export type PresentedDevice = { form: PrincipalForm; username?: string | undefined };

/** Who a device is, or why it is nobody; and a verdict for each question, in their order. */
export type DeviceVerdicts = { subject: Subject | Refusal; verdicts: Verdict[]; at: number };

/** "May this device do that now?" Synchronous as soon as the principal is known. */
export function createAuthorizeService(deps: Deps) {
  const { clock, principals, requireLease, reach, seen, decided, counted } = deps;
  const judge = createJudge(deps);
  const identify = createIdentify(principals);
  const effectiveRights = createEffectiveRights({ ...deps, judge });
  const note = ({ account }: Grantee, verdict: Verdict): Verdict => {
    counted(account, verdict);
    return verdict;
  };

  const conclude = (caller: Grantee, subject: Subject | Refusal, question: Question, now: number): Verdict => {
    if (typeof subject === 'string') return note(caller, judge.refuse(caller, subject, now));
    const verdict = note(caller, judge.decideFor(caller, subject, question, now));
    seen(subject.thingId, now);
    decided(subject.account, subject.name, question, verdict, now);
    return verdict;
  };

  const moment = (): number => {
    requireLease();
    return clock().getTime();
  };

  const decideAt = (caller: Grantee, question: Question, now: number): Verdict | Promise<Verdict> => {
    const { principal: form } = question;
    const found = identify(caller, form);
    if (!(found instanceof Promise)) return conclude(caller, judge.subjectOf(caller, form, found, now), question, now);
    return found.then((late) => {
      // Time passed while the registry was asked.
      requireLease();
      return conclude(caller, judge.subjectOf(caller, form, late, now), question, now);
    });
  };

  /** Does something about whoever a form stands for; a promise only when something has to be read. */
  const withSubject = <Result>(
    caller: Grantee,
    { form, username }: PresentedDevice,
    use: (subject: Subject | Refusal, now: number) => Result,
  ): Late<Result> => {
    requireLease();
    const now = clock().getTime();
    const found = identify(caller, form);
    const judged = (known: Awaited<typeof found>): Result => {
      const subject = judge.subjectOf(caller, form, known, now);
      const isAnother = typeof subject !== 'string' && username !== undefined && username !== subject.name;
      return use(isAnother ? 'binding-mismatch' : subject, now);
    };
    if (!(found instanceof Promise)) return judged(found);
    return found.then((late) => {
      requireLease();
      return judged(late);
    });
  };

  /** Whose rights count for an access token, with no certificate beside it. */
  const subjectOfToken = (caller: Grantee, token: string, now: number): Subject | Refusal =>
    judge.subjectOf(caller, { token }, principals.byToken(token), now);

  return {
    /** Now, for the questions of one turn, as far as this instance may decide. @throws DomainError `not-ready` */
    moment,

    /**
     * The verdict; a promise only when something has to be read.
     * @throws DomainError `not-ready`, `epoch-changed`, `invalid-request` for a certificate that cannot be read
     */
    authorize(caller: Grantee, question: Question, now?: number): Verdict | Promise<Verdict> {
      if (question.atLeast === undefined) return decideAt(caller, question, now ?? moment());
      return reach(question.atLeast).then(() => decideAt(caller, question, moment()));
    },

    /**
     * What a device may do of several things, at one instant and by one credential.
     * @throws DomainError `not-ready`, `invalid-request` for a certificate that cannot be read
     */
    judgeDevice: (caller: Grantee, device: PresentedDevice, asked: readonly DeviceQuestion[]): Late<DeviceVerdicts> =>
      withSubject(caller, device, (subject, at) => ({
        subject,
        at,
        verdicts: asked.map((each) => conclude(caller, subject, { principal: device.form, ...each }, at)),
      })),

    /**
     * What a principal may do now, in one list, as far as a context says what decides.
     * @throws DomainError `not-ready`, `conflict`, `invalid-request` for a certificate that cannot be read
     */
    rightsOf: (caller: Grantee, device: PresentedDevice, context: Context = {}): Late<EffectiveRights> =>
      withSubject(caller, device, (subject, now) => effectiveRights(caller, subject, context, now)),

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
    refused: (caller: Grantee, refusal: Refusal): Verdict =>
      note(caller, judge.refuse(caller, refusal, clock().getTime())),

    /** What is answered where one of many could not be decided, with the reason where it is the caller's to know. */
    undecided: (caller: Grantee, why: unknown): Verdict =>
      note(caller, {
        ...judge.refuseFor('cannot-decide', clock().getTime()),
        ...(why instanceof DomainError ? { detail: why.message } : {}),
      }),
  };
}
