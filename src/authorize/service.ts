import { hash } from 'node:crypto';
import type { Clock } from '../clock.js';
import { DomainError } from '../errors.js';
import type { Grantee } from '../access/grantee.js';
import { PemError, readCertificate } from '../pki/pem.js';
import type { CompiledStatement, PolicyVersion } from '../policy/compile.js';
import type { Context } from '../policy/condition.js';
import { decide } from '../policy/decide.js';
import type { Principal } from '../policy/variables.js';
import type { KnownPrincipal, Principals, Rights, TokenPrincipal } from './principals.js';
import type { PrincipalForm, Question } from './schema.js';
import type { CompiledSegment } from './segment.js';
import type { Snapshot, ThingChange } from './snapshot.js';

/** Why a request was denied, where no statement did. */
export type Refusal =
  | 'no-matching-statement'
  | 'outside-time-window'
  | 'token-invalid'
  | 'token-expired'
  | 'token-revoked'
  | 'binding-mismatch'
  | 'certificate-revoked'
  | 'certificate-superseded'
  | 'certificate-expired'
  | 'thing-suspended'
  | 'thing-revoked'
  | 'unknown-principal'
  | 'outside-segment'
  | 'malformed-resource'
  | 'cannot-decide';

/** An answer. `statement` is there when one decided, else `refusal`. */
export type Verdict = {
  allowed: boolean;
  refusal: Refusal | undefined;
  statement: CompiledStatement | undefined;
  /** Milliseconds since 1970. */
  validUntil: number;
  /** The place in the log that it was made from. */
  cursor: string;
  /** The token is behind what the thing may do now. */
  refresh: boolean;
  /** The traffic policy of the thing's segment, JSON. */
  limits: string | undefined;
  /** Why one of many could not be decided. */
  detail?: string;
};

type Deps = {
  clock: Clock;
  snapshot: Snapshot;
  principals: Principals;
  /** False while this instance may not say what depends on the log. */
  mayAnswer(): boolean;
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

/** What a resolved principal is judged by. */
type Subject = { thingId: string; account: string; name: string; rights: Rights; until: number; refresh: boolean };

/** Who holds a token, with everything that decides about it. */
export type Holder = {
  thingId: string;
  account: string;
  name: string;
  principal: Principal;
  policies: PolicyVersion[];
  segment: CompiledSegment | undefined;
  /** Milliseconds until the token expires. */
  left: number;
};

/** Of many questions: verifying so many tokens fits into a slice, and reading so many principals leaves connections to others. */
export const fewAtOnce = 8;

const noContext: Context = {};

export type AuthorizeService = ReturnType<typeof createAuthorizeService>;

/** "May this device do that now?" Synchronous as soon as the principal is known. */
export function createAuthorizeService(deps: Deps) {
  const { clock, snapshot, principals, mayAnswer, cursor, reach, seen, decided, validitySeconds } = deps;

  const capOf = (caller: Grantee, now: number): number =>
    now + 1000 * (caller.promises.followsFeed ? validitySeconds.followers : validitySeconds.others);

  const refuse = (refusal: Refusal, validUntil: number): Verdict => ({
    allowed: false,
    refusal,
    statement: undefined,
    validUntil,
    cursor: cursor(),
    refresh: false,
    limits: undefined,
  });

  /** Token, binding, certificate, thing: in this order. */
  const judgeToken = (
    caller: Grantee,
    token: TokenPrincipal | undefined,
    presented: string | undefined,
    now: number,
  ): Subject | Refusal => {
    if (!token) return 'token-invalid';
    if (token.account !== caller.account) return 'unknown-principal';
    if (token.expiresAt <= now) return 'token-expired';
    const change = snapshot.changeOf(token.key);
    if (change && isRevokedBy(change, token)) return 'token-revoked';
    if (presented === undefined ? !caller.promises.bearer : presented !== token.fingerprint) return 'binding-mismatch';
    const refusal = refusalOf(snapshot.certificateChange(token.fingerprint)?.reason, change?.status);
    if (refusal) return refusal;
    const rights = change ? principals.presentRights(token) : token.rights;
    const { thingId, account, name } = token;
    return { thingId, account, name, rights, until: token.expiresAt, refresh: rights !== token.rights };
  };

  /** Certificate, then thing. `byName` when nothing but the name of the thing was shown. */
  const judgeKnown = (
    caller: Grantee,
    known: KnownPrincipal | undefined,
    byName: boolean,
    now: number,
  ): Subject | Refusal => {
    if (!known || known.account !== caller.account) return 'unknown-principal';
    if (known.reason !== null) return known.reason === 'superseded' ? 'certificate-superseded' : 'certificate-revoked';
    if (byName && known.otherRevoked && !caller.promises.enforcesCrl) return 'certificate-revoked';
    if (known.notAfter <= now) return 'certificate-expired';
    const refusal = refusalOf(undefined, known.status);
    const { thingId, account, name, rights, notAfter } = known;
    return refusal ?? { thingId, account, name, rights, until: notAfter, refresh: false };
  };

  /** Segment, deny, allow. */
  const decideFor = (
    caller: Grantee,
    subject: Subject,
    { action, resource, context }: Question,
    now: number,
  ): Verdict => {
    const { rights, until, refresh } = subject;
    const asked = context ?? noContext;
    const cap = Math.min(capOf(caller, now), until);
    const segment = rights.segment === null ? undefined : snapshot.segment(subject.account, rights.segment);
    if (rights.segment !== null && !segment?.holds(asked))
      return { ...refuse('outside-segment', cap), refresh, limits: segment?.limits };
    const { allowed, reason, statement, changesAt } = decide(snapshot.compiled(rights.policies), rights.principal, {
      action,
      resource,
      context: asked,
      at: now,
      horizon: cap,
    });
    const refusal = reason === 'statement' ? undefined : reason;
    const validUntil = Math.min(cap, changesAt);
    return { allowed, refusal, statement, validUntil, cursor: cursor(), refresh, limits: segment?.limits };
  };

  const conclude = (caller: Grantee, subject: Subject | Refusal, question: Question, now: number): Verdict => {
    if (typeof subject === 'string') return refuse(subject, capOf(caller, now));
    const verdict = decideFor(caller, subject, question, now);
    seen(subject.thingId, now);
    decided(subject.account, subject.name, question, verdict, now);
    return verdict;
  };

  const decideNow = (caller: Grantee, question: Question): Verdict | Promise<Verdict> => {
    // INVARIANT: an instance without a lease says nothing that depends on the log.
    if (!mayAnswer()) throw noLease();
    const now = clock().getTime();
    const form: PrincipalForm = question.principal;
    if (form.token !== undefined) {
      const token = principals.byToken(form.token);
      return conclude(caller, judgeToken(caller, token, presentedFingerprint(form), now), question, now);
    }
    if (form.thingName !== undefined)
      return concludeKnown(caller, principals.byName(caller.account, form.thingName), true, question, now);
    const fingerprint = presentedFingerprint(form)!;
    return concludeKnown(caller, principals.byFingerprint(fingerprint), false, question, now);
  };

  const concludeKnown = (
    caller: Grantee,
    known: KnownPrincipal | undefined | Promise<KnownPrincipal | undefined>,
    byName: boolean,
    question: Question,
    now: number,
  ): Verdict | Promise<Verdict> => {
    if (known instanceof Promise) {
      return known.then((found) => {
        // Time passed while the registry was asked.
        if (!mayAnswer()) throw noLease();
        return conclude(caller, judgeKnown(caller, found, byName, now), question, now);
      });
    }
    return conclude(caller, judgeKnown(caller, known, byName, now), question, now);
  };

  return {
    /**
     * The verdict; a promise only when something has to be read.
     * @throws DomainError `not-ready`, `epoch-changed`, `invalid-request` for a certificate that cannot be read
     */
    authorize(caller: Grantee, question: Question): Verdict | Promise<Verdict> {
      if (question.atLeast === undefined) return decideNow(caller, question);
      return reach(question.atLeast).then(() => decideNow(caller, question));
    },

    /** Whether an access token of the caller's account is good now, whatever certificate came with it. @throws DomainError `not-ready` */
    isLive(caller: Grantee, token: string): boolean {
      if (!mayAnswer()) throw noLease();
      const found = principals.byToken(token);
      const lenient = { ...caller, promises: { ...caller.promises, bearer: true } };
      return typeof judgeToken(lenient, found, undefined, clock().getTime()) !== 'string';
    },

    /**
     * Whose token it is, and what decides about its rights now; a refusal when it is good for nothing.
     * @throws DomainError `not-ready`
     */
    holderOf(caller: Grantee, token: string): Holder | Refusal {
      if (!mayAnswer()) throw noLease();
      const now = clock().getTime();
      const subject = judgeToken(caller, principals.byToken(token), undefined, now);
      if (typeof subject === 'string') return subject;
      const { thingId, account, name, rights, until } = subject;
      seen(thingId, now);
      const segment = rights.segment === null ? undefined : snapshot.segment(account, rights.segment);
      if (rights.segment !== null && !segment) return 'outside-segment';
      const { principal, policies } = rights;
      return { thingId, account, name, principal, policies: snapshot.documents(policies), segment, left: until - now };
    },

    /** What would be decided about a thing by its name; noted nowhere. @throws DomainError `not-ready` */
    foresee(caller: Grantee, known: KnownPrincipal, question: Question): Verdict {
      if (!mayAnswer()) throw noLease();
      const now = clock().getTime();
      const subject = judgeKnown(caller, known, true, now);
      return typeof subject === 'string'
        ? refuse(subject, capOf(caller, now))
        : decideFor(caller, subject, question, now);
    },

    /** A refusal that nothing had to be looked up for. */
    refused: (caller: Grantee, refusal: Refusal): Verdict => refuse(refusal, capOf(caller, clock().getTime())),

    /** What is answered where one of many could not be decided, with the reason where it is the caller's to know. */
    undecided: (why: unknown): Verdict => ({
      ...refuse('cannot-decide', clock().getTime()),
      ...(why instanceof DomainError ? { detail: why.message } : {}),
    }),
  };
}

/** A token from before a thing's last revocation or suspension, or of an earlier thing of its name. */
function isRevokedBy({ thingId, minGen }: ThingChange, token: TokenPrincipal): boolean {
  return (thingId !== undefined && thingId !== token.thingId) || (minGen !== undefined && token.gen < minGen);
}

function refusalOf(certificate: string | undefined, status: string | undefined): Refusal | undefined {
  if (certificate !== undefined) return certificate === 'superseded' ? 'certificate-superseded' : 'certificate-revoked';
  if (status === 'suspended') return 'thing-suspended';
  return status === 'revoked' ? 'thing-revoked' : undefined;
}

/**
 * The fingerprint of the certificate that came with a request, in lower-case hex. Nothing inside a PEM is believed.
 * @throws DomainError `invalid-request` when the certificate cannot be read: a quiet deny would look like a decision
 */
function presentedFingerprint({ fingerprint, certificatePem }: PrincipalForm): string | undefined {
  if (fingerprint !== undefined)
    return fingerprint.length === 64 ? fingerprint.toLowerCase() : fingerprint.replaceAll(':', '').toLowerCase();
  return certificatePem === undefined ? undefined : hash('sha256', certificateIn(certificatePem));
}

function certificateIn(text: string): Buffer {
  try {
    return readCertificate(text);
  } catch (error) {
    if (!(error instanceof PemError)) throw error;
    throw new DomainError(
      'invalid-request',
      `principal.certificatePem: ${error.message}; send the certificate as PEM, percent-encoded PEM, or its DER in base64`,
    );
  }
}

function noLease(): DomainError {
  return new DomainError('not-ready', 'this instance has lost touch with the database: ask another, or try again', {
    retryAfter: 1,
  });
}
