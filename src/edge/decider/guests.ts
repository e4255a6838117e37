import { LRUCache } from 'lru-cache';
import { createJudge, type Refusal, type Subject, type Verdict } from '../../authorize/judge.js';
import { presentedFingerprint, type PrincipalForm } from '../../authorize/question.js';
import { thingKey } from '../../authorize/snapshot.js';
import { toTokenPrincipal, type KnownPrincipal, type TokenPrincipal } from '../../authorize/rights.js';
import type { Ask, Barred, Gate, Guest, Shown } from '../gate.js';
import { barredBy, createAskers, farAway, whyClosed } from './barring.js';
import { createConfirmations } from './confirmations.js';
import { ControlPlaneError } from './control-plane.js';
import type { Known } from './known.js';
import type { Kept, Principals } from './principals.js';
import type { createTrust } from './trust.js';

/** How long a verdict about a guest is remembered where no time window ends it: every change of the log does, earlier. */
const validitySeconds = { others: 300, followers: 300 };
const mostTokens = 50_000;

const unconfirmed: Barred = { barred: 'away', detail: 'the control plane did not confirm this session again' };

/** Why a certificate does not count, although its device is trusted. */
const mayComeBack: ReadonlySet<string> = new Set(['superseded', 'certificateHold']);

/** What is remembered of a guest. */
type Holder = {
  token: TokenPrincipal | undefined;
  /** As it was known last. */
  last: Kept | undefined;
  epoch: string;
  withoutCertificates: boolean;
  showed: string | undefined;
  /** Of the token. */
  issuer: string | undefined;
};

// In the guest itself, because a weak map of all guests costs each review of them a look into far memory.
const held = Symbol('what the decider remembers of a guest');
type Held = Guest & { [held]: Holder };

const holderOf = (guest: Guest): Holder | undefined => (guest as Partial<Held>)[held];

type Deps = {
  known: Known;
  principals: Principals;
  trust: ReturnType<typeof createTrust>;
  now(): number;
  monotonic(): number;
  /** When trust ran out: live guests stay as they were. */
  keepsLive: boolean;
  /** The control plane refused the key. */
  refused(): void;
  /** Told of things about whose guests more is known now. */
  settled(things: Set<string>): void;
};

export type Guests = ReturnType<typeof createGuests>;

/** Identifies devices, and judges them again whenever they are asked about. */
export function createGuests({ known, principals, trust, now, monotonic, keepsLive, refused, settled }: Deps) {
  const { snapshot, cursor } = known;
  const judge = createJudge({ snapshot, cursor, validitySeconds });
  const askerOf = createAskers(known);
  const tokens = new LRUCache<string, TokenPrincipal>({ max: mostTokens });
  const confirmations = createConfirmations({ find: principals.findFirst, monotonic, settled });

  const readToken = (token: string): TokenPrincipal | undefined => {
    const cached = tokens.get(token);
    if (cached) return cached;
    const claims = known.tokenKeys.read(token);
    const principal = claims && toTokenPrincipal(snapshot, claims);
    if (principal) tokens.set(token, principal);
    return principal;
  };

  const admit = (
    form: PrincipalForm,
    found: TokenPrincipal | KnownPrincipal | undefined,
    withoutCertificates: boolean,
  ): Guest | Barred => {
    const subject = judge.subjectOf(askerOf(withoutCertificates), form, found, now());
    if (typeof subject === 'string') return barredBy(subject);
    const token = found?.kind === 'token' ? found : undefined;
    const showed = presentedFingerprint(form);
    const fingerprint = token?.fingerprint ?? showed!;
    const last = token ? undefined : principals.kept(fingerprint);
    const { account, name: thingName, thingId, until: expiresAt } = subject;
    const holder = { token, last, epoch: known.epoch(), withoutCertificates, showed, issuer: known.tokenIssuer() };
    const isByToken = token !== undefined;
    const guest: Held = { account, thingName, thingId, fingerprint, expiresAt, byToken: isByToken, [held]: holder };
    return guest;
  };

  /** A guest who is no longer known since everything was read again: judged by what was known until there was time to ask. */
  const unknownHolder = (guest: Guest, holder: Holder): KnownPrincipal | Refusal => {
    switch (confirmations.want(guest.fingerprint, guest.thingName)) {
      case 'gone':
        return 'unknown-principal';
      case 'over':
        return 'cannot-decide';
      case 'waits':
        return holder.last && holder.epoch === known.epoch() ? principals.revised(holder.last).known : 'cannot-decide';
    }
  };

  const subjectOf = (guest: Guest): Subject | Refusal => {
    const holder = holderOf(guest);
    if (!holder) return 'unknown-principal';
    const { token, withoutCertificates, showed, issuer } = holder;
    const asker = askerOf(withoutCertificates);
    if (token && issuer !== known.tokenIssuer()) return 'token-invalid';
    if (token) return judge.subjectOf(asker, { token: '', fingerprint: showed }, token, now());
    const kept = principals.kept(guest.fingerprint);
    if (kept) {
      holder.last = kept;
      holder.epoch = known.epoch();
    }
    const principal = kept?.known ?? unknownHolder(guest, holder);
    if (typeof principal === 'string') return principal;
    return judge.subjectOf(asker, { fingerprint: guest.fingerprint }, principal, now());
  };

  const closed = (): Barred | undefined => whyClosed(known, trust.state());
  const closedToGuests = (): Barred | undefined => (keepsLive && trust.state() === 'spent' ? undefined : closed());

  const find = (fingerprint: string, withoutCertificates: boolean): Guest | Barred | Promise<Guest | Barred> => {
    const present = principals.kept(fingerprint);
    if (present) return admit({ fingerprint }, present.known, withoutCertificates);
    if (trust.state() !== 'live') return farAway;
    return Promise.resolve(principals.find(fingerprint)).then(
      (found) => closed() ?? admit({ fingerprint }, found, withoutCertificates),
      (error: Error) => {
        if (error instanceof ControlPlaneError && error.failure === 'refused') refused();
        return closed() ?? { ...farAway, detail: error.message };
      },
    );
  };

  const review = (guest: Guest): Barred | ((ask: Ask) => Verdict) => {
    const why = closedToGuests();
    if (why) return why;
    const subject = subjectOf(guest);
    if (subject === 'cannot-decide') return unconfirmed;
    if (typeof subject === 'string') return barredBy(subject);
    const asker = askerOf(holderOf(guest)!.withoutCertificates);
    const at = now();
    return (ask) => judge.decideFor(asker, subject, ask, at);
  };

  const gate: Pick<Gate, 'identify' | 'judge' | 'review' | 'standing' | 'isGone' | 'segmentOf' | 'principalOf'> = {
    identify({ token, fingerprint, withoutCertificates }: Shown) {
      const why = closed();
      if (why) return why;
      if (token !== undefined) return admit({ token, fingerprint }, readToken(token), withoutCertificates);
      return fingerprint === undefined ? barredBy('unknown-principal') : find(fingerprint, withoutCertificates);
    },

    judge(guest: Guest, ask: Ask): Verdict {
      if (closedToGuests()) return judge.refuseFor('cannot-decide', now());
      const subject = subjectOf(guest);
      if (typeof subject === 'string') return judge.refuseFor(subject, now());
      return judge.decideFor(askerOf(holderOf(guest)!.withoutCertificates), subject, ask, now());
    },

    review,

    standing(guest: Guest): Barred | undefined {
      const reviewed = review(guest);
      return typeof reviewed === 'function' ? undefined : reviewed;
    },

    isGone({ account, thingName, thingId, fingerprint }: Guest): boolean | Promise<boolean> {
      const change = snapshot.changeOf(thingKey(account, thingName));
      if (change?.status === 'revoked' && change.thingId === thingId) return true;
      const why = snapshot.certificateChange(fingerprint)?.reason ?? principals.kept(fingerprint)?.known.reason;
      if (!why || mayComeBack.has(why) || trust.state() !== 'live') return false;
      return principals.isLast(fingerprint).catch(() => false);
    },

    principalOf(guest: Guest) {
      const subject = subjectOf(guest);
      return typeof subject === 'string' ? undefined : subject.rights.principal;
    },

    segmentOf(guest: Guest): string | undefined {
      const subject = subjectOf(guest);
      return typeof subject === 'string' ? undefined : (subject.rights.segment ?? undefined);
    },
  };

  return {
    gate,
    /** Tokens are read again. */
    forgetTokens: (): void => tokens.clear(),
    /** After a snapshot: tokens are read again, and whoever is not known now is asked about. */
    forget(): void {
      tokens.clear();
      confirmations.clear();
    },
    /** False while a live guest is here about whom nothing is known. */
    isClear: confirmations.isClear,
    close: confirmations.close,
    /** The holder of a token, if one of the keys signed it. */
    readToken,
    /** Why nothing is decided now. */
    closed,
    /** Whether the control plane can be asked. */
    isHeard: (): boolean => trust.state() === 'live',
  };
}
