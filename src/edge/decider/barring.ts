import type { Asker, Refusal } from '../../authorize/judge.js';
import type { Barred, Trust } from '../gate.js';
import type { KeyPromises, Known } from './known.js';

/** Nobody answers, and this is not known here. */
export const farAway: Barred = {
  barred: 'away',
  detail: 'the control plane does not answer, and this is not known here',
};

/**
 * This edge as the control plane judges it, made once for what is known: it is wanted at every decision. Its key's flag `bearer`
 * counts only where no certificate can come.
 */
export function createAskers(known: Pick<Known, 'account' | 'promises'>) {
  let promises: KeyPromises | undefined;
  let account = '';
  let askers: Record<'bound' | 'bare', Asker>;

  const make = (bearer: boolean): Asker => ({ account, promises: { ...promises!, bearer, inUrl: false } });

  return (withoutCertificates: boolean): Asker => {
    const present = known.promises();
    if (present !== promises || account !== known.account()) {
      promises = present;
      account = known.account();
      askers = { bound: make(false), bare: make(present.bearer) };
    }
    return withoutCertificates ? askers.bare : askers.bound;
  };
}

/** Why nobody may be here, whoever it is. */
export function whyClosed(known: Pick<Known, 'isLoaded' | 'isSuspended'>, trust: Trust): Barred | undefined {
  if (known.isLoaded() && known.isSuspended()) return { barred: 'refused', detail: 'the account is suspended' };
  switch (trust) {
    case 'refused':
      return { barred: 'refused', detail: 'the control plane refuses the API key of this edge' };
    case 'starting':
      return { barred: 'away', detail: 'this edge has not heard the control plane yet' };
    case 'spent':
      return { barred: 'away', detail: 'the control plane is away for longer than trustFor' };
    case 'live':
    case 'dark':
      return undefined;
  }
}

/** A refusal with words for the log. */
export function barredBy(refusal: Refusal): Barred {
  return { barred: refusal, detail: words[refusal] ?? refusal };
}

const words: Partial<Record<Refusal, string>> = {
  'token-invalid': 'no token key of this account signed the token',
  'token-expired': 'the token has expired: get a new one',
  'token-revoked': 'the token is from before a revocation: get a new one',
  'binding-mismatch': 'the token came without its certificate',
  'certificate-revoked': 'the certificate is revoked or held',
  'certificate-superseded': 'this device has a newer certificate',
  'certificate-expired': 'the certificate has expired: renew it',
  'thing-suspended': 'the thing is suspended',
  'thing-revoked': 'the thing is revoked',
  'unknown-principal': 'the account has no such certificate',
};
