import type { Grantee } from '../access/grantee.js';
import type { CompiledStatement, PolicyVersion } from '../policy/compile.js';
import type { Context } from '../policy/condition.js';
import { decide } from '../policy/decide.js';
import type { Principal } from '../policy/variables.js';
import { presentedFingerprint, type PrincipalForm, type Question } from './question.js';
import { presentRights, type KnownPrincipal, type Rights, type TokenPrincipal } from './rights.js';
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

/** An answer. `statement` is set when one decided, else `refusal`. */
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

/** What is asked of somebody who is known. */
type Asked = Pick<Question, 'action' | 'resource' | 'context' | 'whole'>;

/** Who asks, as far as it changes the answer. */
export type Asker = Pick<Grantee, 'account' | 'promises'>;

/** What a resolved principal is judged by. */
export type Subject = {
  thingId: string;
  account: string;
  name: string;
  rights: Rights;
  until: number;
  refresh: boolean;
};

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

type Deps = {
  snapshot: Snapshot;
  /** The place in the log that is applied here. */
  cursor(): string;
  validitySeconds: { others: number; followers: number };
};

const noContext: Context = {};

export type Judge = ReturnType<typeof createJudge>;

/**
 * The decision itself: a snapshot, a principal, a question and a time in milliseconds since 1970, and nothing else. It
 * cannot wait, because nothing that it reaches can; an import rule holds it to that.
 */
export function createJudge({ snapshot, cursor, validitySeconds }: Deps) {
  const capOf = ({ promises }: Asker, now: number): number =>
    now + 1000 * (promises.followsFeed ? validitySeconds.followers : validitySeconds.others);

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
  const ofToken = (
    asker: Asker,
    token: TokenPrincipal,
    presented: string | undefined,
    now: number,
  ): Subject | Refusal => {
    if (token.account !== asker.account) return 'unknown-principal';
    if (token.expiresAt <= now) return 'token-expired';
    const change = snapshot.changeOf(token.key);
    if (change && isRevokedBy(change, token)) return 'token-revoked';
    if (presented === undefined ? !asker.promises.bearer : presented !== token.fingerprint) return 'binding-mismatch';
    const refusal = refusalOf(snapshot.certificateChange(token.fingerprint)?.reason, change?.status);
    if (refusal) return refusal;
    const rights = change ? presentRights(snapshot, token) : token.rights;
    const { thingId, account, name } = token;
    return { thingId, account, name, rights, until: token.expiresAt, refresh: rights !== token.rights };
  };

  /** Certificate, then thing. `byName` when nothing but the name of the thing was shown. */
  const ofKnown = (asker: Asker, known: KnownPrincipal, byName: boolean, now: number): Subject | Refusal => {
    if (known.account !== asker.account) return 'unknown-principal';
    if (known.reason !== null) return known.reason === 'superseded' ? 'certificate-superseded' : 'certificate-revoked';
    if (byName && known.otherRevoked && !asker.promises.enforcesCrl) return 'certificate-revoked';
    if (known.notAfter <= now) return 'certificate-expired';
    const refusal = refusalOf(undefined, known.status);
    const { thingId, account, name, rights, notAfter } = known;
    return refusal ?? { thingId, account, name, rights, until: notAfter, refresh: false };
  };

  return {
    /** A denial for a reason that no statement gave, valid as long as this asker's answers are. */
    refuse: (asker: Asker, refusal: Refusal, now: number): Verdict => refuse(refusal, capOf(asker, now)),

    /** Until when this asker may keep what it is told now. */
    lastingUntil: capOf,

    /** A denial that is valid for no time at all. */
    refuseFor: refuse,

    /**
     * Whose rights count for a form and whoever was found by it, or why nobody's do.
     * @throws DomainError `invalid-request` for a certificate that cannot be read
     */
    subjectOf(
      asker: Asker,
      form: PrincipalForm,
      found: TokenPrincipal | KnownPrincipal | undefined,
      now: number,
    ): Subject | Refusal {
      if (form.token !== undefined) {
        const presented = presentedFingerprint(form);
        return found?.kind === 'token' ? ofToken(asker, found, presented, now) : 'token-invalid';
      }
      return found?.kind === 'known' ? ofKnown(asker, found, form.thingName !== undefined, now) : 'unknown-principal';
    },

    /** Segment, deny, allow. */
    decideFor(asker: Asker, subject: Subject, { action, resource, context, whole }: Asked, now: number): Verdict {
      const { rights, until, refresh } = subject;
      const asked = context ?? noContext;
      const cap = Math.min(capOf(asker, now), until);
      const segment = rights.segment === null ? undefined : snapshot.segment(subject.account, rights.segment);
      if (rights.segment !== null && !segment?.holds(asked))
        return { ...refuse('outside-segment', cap), refresh, limits: segment?.limits };
      const { allowed, reason, statement, changesAt } = decide(snapshot.compiled(rights.policies), rights.principal, {
        action,
        resource,
        context: asked,
        at: now,
        horizon: cap,
        whole,
      });
      const refusal = reason === 'statement' ? undefined : reason;
      const validUntil = Math.min(cap, changesAt);
      return { allowed, refusal, statement, validUntil, cursor: cursor(), refresh, limits: segment?.limits };
    },

    /** A subject with everything that decides about it, for those who decide elsewhere; a refusal when its segment is gone. */
    holderOf({ thingId, account, name, rights, until }: Subject, now: number): Holder | Refusal {
      const segment = rights.segment === null ? undefined : snapshot.segment(account, rights.segment);
      if (rights.segment !== null && !segment) return 'outside-segment';
      const { principal, policies } = rights;
      return { thingId, account, name, principal, policies: snapshot.documents(policies), segment, left: until - now };
    },
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
