import { addSeconds, wholeSeconds, type Clock } from '../clock.js';
import { DomainError } from '../errors.js';
import { issueCrl } from '../pki/crl.js';
import type { Issuer } from '../pki/issuer.js';
import type { RevocationStore, StoredCrl } from './store.js';

type StoredIssuer = { id: string; kind: 'root' | 'issuing'; listSuperseded: boolean };

type Deps<Stored extends StoredIssuer> = {
  store: RevocationStore;
  clock: Clock;
  findIssuer(id: string): Promise<Stored | undefined>;
  unexpiredIssuers(account: string): Promise<Stored[]>;
  open(stored: Stored): Issuer;
};

const day = 86_400;
const validitySeconds = { issuing: 7 * day, root: 180 * day };

export type Publisher = ReturnType<typeof createPublisher>;

/** Complete lists of every authority: signed when something was revoked, and long before they run out. */
export function createPublisher<Stored extends StoredIssuer>({
  store,
  clock,
  findIssuer,
  unexpiredIssuers,
  open,
}: Deps<Stored>) {
  const current = async (issuer: Stored): Promise<StoredCrl> => {
    const found = await store.find(issuer.id);
    if (!found) throw new Error(`issuer ${issuer.id} has no list`);
    const { crl, behind } = found;
    const halfway = (crl.thisUpdate.getTime() + crl.nextUpdate.getTime()) / 2;
    return behind || clock().getTime() >= halfway ? publish(issuer) : crl;
  };

  const publish = async (issuer: Stored): Promise<StoredCrl> => {
    const at = wholeSeconds(clock());
    const window = { thisUpdate: at, nextUpdate: addSeconds(at, validitySeconds[issuer.kind]) };
    const signer = open(issuer);
    return store.publish(issuer.id, issuer.listSuperseded, at, (number, entries) => ({
      ...window,
      der: issueCrl(signer, { number, ...window, entries }),
    }));
  };

  // INVARIANT: no list leaves past its nextUpdate (RFC 5280 §5.1.2.5).
  const requireFresh = (crl: StoredCrl): StoredCrl => {
    if (crl.nextUpdate > clock()) return crl;
    throw new DomainError('list-expired', 'no current list could be signed: look at /readyz and the log of the server');
  };

  return {
    /** The first, empty list of a new issuer. */
    first(issuer: Issuer, kind: 'root' | 'issuing'): StoredCrl {
      const at = wholeSeconds(clock());
      const window = { thisUpdate: at, nextUpdate: addSeconds(at, validitySeconds[kind]) };
      const der = issueCrl(issuer, { number: 1n, ...window, entries: [] });
      return { issuerId: issuer.id, number: 1n, der, position: 0n, ...window };
    },

    /** The list of one issuer. @throws DomainError `not-found`, `list-expired` */
    async crl(issuerId: string): Promise<StoredCrl> {
      const issuer = await findIssuer(issuerId);
      if (!issuer) throw new DomainError('not-found', `there is no issuer ${issuerId}`);
      return requireFresh(await current(issuer));
    },

    /** The lists of every unexpired authority of an account, root included: what TLS servers need. @throws DomainError `not-found`, `list-expired` */
    async bundle(account: string): Promise<StoredCrl[]> {
      const crls: StoredCrl[] = [];
      for (const issuer of await unexpiredIssuers(account)) crls.push(requireFresh(await current(issuer)));
      return crls;
    },
  };
}
