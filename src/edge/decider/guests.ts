import { LRUCache } from 'lru-cache';
import {
  createJudge,
  type Asker,
  type Judge,
  type Refusal,
  type Subject,
  type Verdict,
} from '../../authorize/judge.js';
import { presentedFingerprint, type PrincipalForm } from '../../authorize/question.js';
import { toTokenPrincipal, type KnownPrincipal, type TokenPrincipal } from '../../authorize/rights.js';
import type { Ask, Barred, Guest, Shown } from '../gate.js';
import { ControlPlaneError } from './control-plane.js';
import type { Known } from './known.js';
import type { Principals } from './principals.js';
import type { createTrust } from './trust.js';

/** How long a verdict is remembered where nothing changes; every change of the log ends it earlier. */
const validitySeconds = { others: 60, followers: 60 };
const mostTokens = 50_000;
const confirmWithinMs = 30_000;
const farAway = { barred: 'away', detail: 'the control plane does not answer, and this is not known here' } as const;

type Holder = {
  guest: Guest;
  token: TokenPrincipal | undefined;
  withoutCertificates: boolean;
  showed: string | undefined;
};

type Deps = {
  known: Known;
  principals: Principals;
  trust: ReturnType<typeof createTrust>;
  now(): number;
  monotonic(): number;
  /** When trust ran out: live guests go on as they were. */
  keepsLive: boolean;
};

export type Guests = ReturnType<typeof createGuests>;

/** Identifies devices, and judges them again whenever they are asked about. */
export function createGuests({ known, principals, trust, now, monotonic, keepsLive }: Deps) {
  const judge: Judge = createJudge({ snapshot: known.snapshot, cursor: known.cursor, validitySeconds });
  const tokens = new LRUCache<string, TokenPrincipal>({ max: mostTokens });
  const holders = new WeakMap<Guest, Holder>();
  // Whoever is not known any more after a snapshot, by the fingerprint, until asked for again.
  const unconfirmed = new Map<string, string>();
  const missing = new Set<string>();
  let unknownSince = -Infinity;

  const askerFor = (withoutCertificates: boolean): Asker => {
    const promises = known.promises();
    return {
      account: known.account(),
      promises: { ...promises, bearer: promises.bearer && withoutCertificates, inUrl: false },
    };
  };

  const readToken = (token: string): TokenPrincipal | undefined => {
    const cached = tokens.get(token);
    if (cached) return cached;
    const claims = known.tokenKeys.read(token, known.tokenIssuer());
    const principal = claims && toTokenPrincipal(known.snapshot, claims);
    if (principal) tokens.set(token, principal);
    return principal;
  };

  const admit = (
    form: PrincipalForm,
    found: TokenPrincipal | KnownPrincipal | undefined,
    withoutCertificates: boolean,
  ): Guest | Barred => {
    const subject = judge.subjectOf(askerFor(withoutCertificates), form, found, now());
    if (typeof subject === 'string') return barred(subject);
    const token = found?.kind === 'token' ? found : undefined;
    const showed = presentedFingerprint(form);
    const guest: Guest = {
      account: subject.account,
      thingName: subject.name,
      thingId: subject.thingId,
      fingerprint: token?.fingerprint ?? showed!,
      expiresAt: subject.until,
      byToken: token !== undefined,
    };
    holders.set(guest, { guest, token, withoutCertificates, showed });
    return guest;
  };

  const subjectOf = (guest: Guest): Subject | Refusal | undefined => {
    const { token, withoutCertificates, showed } = holders.get(guest)!;
    const asker = askerFor(withoutCertificates);
    if (token) return judge.subjectOf(asker, { token: '', fingerprint: showed }, token, now());
    const principal = principals.known(guest.fingerprint);
    if (principal) return judge.subjectOf(asker, { fingerprint: guest.fingerprint }, principal, now());
    if (missing.has(guest.fingerprint)) return 'unknown-principal';
    unconfirmed.set(guest.fingerprint, guest.thingName);
    return undefined;
  };

  const closed = (): Barred | undefined => {
    if (known.isLoaded() && known.isSuspended()) return { barred: 'refused', detail: 'the account is suspended' };
    switch (trust.state()) {
      case 'refused':
        return { barred: 'refused', detail: 'the control plane refuses the API key of this edge' };
      case 'starting':
        return { barred: 'away', detail: 'this edge has not heard the control plane yet' };
      case 'spent':
        return { barred: 'away', detail: 'the control plane is away for longer than offline.trustFor' };
      case 'live':
      case 'dark':
        return undefined;
    }
  };

  const find = (fingerprint: string, withoutCertificates: boolean): Guest | Barred | Promise<Guest | Barred> => {
    const present = principals.known(fingerprint);
    if (present) return admit({ fingerprint }, present, withoutCertificates);
    if (trust.state() !== 'live') return farAway;
    const failed = (error: Error): Barred => {
      if (error instanceof ControlPlaneError && error.failure === 'refused') trust.refuse();
      return { ...farAway, detail: error.message };
    };
    return Promise.resolve(principals.find(fingerprint)).then(
      (found) => closed() ?? admit({ fingerprint }, found, withoutCertificates),
      failed,
    );
  };

  const isOverdue = (): boolean => monotonic() - unknownSince > confirmWithinMs;

  return {
    /** As the gate has it. */
    identify({ token, fingerprint, withoutCertificates }: Shown): Guest | Barred | Promise<Guest | Barred> {
      const refused = closed();
      if (refused) return refused;
      if (token !== undefined) return admit({ token, fingerprint }, readToken(token), withoutCertificates);
      return fingerprint === undefined ? barred('unknown-principal') : find(fingerprint, withoutCertificates);
    },

    /** As the gate has it. */
    judge(guest: Guest, { action, resource, context, whole }: Ask): Verdict {
      const refused = closed();
      if (refused && !(keepsLive && trust.state() === 'spent')) return judge.refuseFor('cannot-decide', now());
      const subject = subjectOf(guest);
      if (subject === undefined) return judge.refuseFor('cannot-decide', now());
      const asker = askerFor(holders.get(guest)!.withoutCertificates);
      if (typeof subject === 'string') return judge.refuse(asker, subject, now());
      return judge.decideFor(asker, subject, { principal: {}, action, resource, context, whole }, now());
    },

    /** As the gate has it. */
    standing(guest: Guest): Barred | undefined {
      const refused = closed();
      if (refused && !(keepsLive && trust.state() === 'spent')) return refused;
      const subject = subjectOf(guest);
      if (typeof subject === 'string') return barred(subject);
      if (subject !== undefined) return undefined;
      return isOverdue()
        ? { barred: 'away', detail: 'the control plane did not confirm this session again' }
        : undefined;
    },

    /** After a snapshot: tokens are read again, and whoever holds a certificate that is not known now is asked about. */
    forget(): void {
      tokens.clear();
      unconfirmed.clear();
      missing.clear();
      unknownSince = monotonic();
    },

    /** Asks about guests who are not known any more. Returns the names of those whose rights are others now, for their sessions. */
    async confirm(): Promise<Set<string>> {
      const due = [...unconfirmed];
      const answered = await Promise.all(
        due.map(async ([fingerprint, name]) => {
          const found = await Promise.resolve(principals.find(fingerprint)).catch(() => 'away' as const);
          if (found === 'away' && !isOverdue()) return undefined;
          if (found === undefined) missing.add(fingerprint);
          unconfirmed.delete(fingerprint);
          return name;
        }),
      );
      return new Set(answered.flatMap((name) => name ?? []));
    },

    /** The holder of a token, if one of the keys signed it. */
    readToken,

    /** The holder of a certificate. @throws ControlPlaneError when it has to be asked for and nobody answers */
    holder: (fingerprint: string) => principals.find(fingerprint),

    /** The judge behind it, as the control plane has it. */
    core: judge,
    askerFor,
    /** Why nothing is decided now. */
    closed,
  };
}

function barred(refusal: Refusal): Barred {
  return { barred: refusal, detail: detailOf[refusal] ?? refusal };
}

const detailOf: Partial<Record<Refusal, string>> = {
  'token-invalid': 'no token key of this account signed the token',
  'token-expired': 'the token has expired: get a new one',
  'token-revoked': 'the token is from before a revocation: get a new one',
  'binding-mismatch': 'the token came without its certificate',
  'certificate-revoked': 'the certificate is revoked or held',
  'certificate-superseded': 'the certificate was replaced by a newer one of this device',
  'certificate-expired': 'the certificate has expired: renew it',
  'thing-suspended': 'the thing is suspended',
  'thing-revoked': 'the thing is revoked',
  'unknown-principal': 'the account has no such certificate',
};
