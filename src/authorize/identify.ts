import type { Asker } from './judge.js';
import type { Principals } from './principals.js';
import { presentedFingerprint, type PrincipalForm } from './question.js';
import type { KnownPrincipal, TokenPrincipal } from './rights.js';

type Identified = TokenPrincipal | KnownPrincipal | undefined;

/** Finds who is asked about, whatever form says it. What is found is judged afterwards. */
export function createIdentify(principals: Pick<Principals, 'byToken' | 'byName' | 'byFingerprint'>) {
  /**
   * A promise only when the registry has to be asked.
   * @throws DomainError `invalid-request` for a certificate that cannot be read
   */
  return ({ account }: Asker, form: PrincipalForm): Identified | Promise<Identified> => {
    if (form.token !== undefined) return principals.byToken(form.token);
    if (form.thingName !== undefined) return principals.byName(account, form.thingName);
    const fingerprint = presentedFingerprint(form);
    return fingerprint === undefined ? undefined : principals.byFingerprint(fingerprint);
  };
}
