import type { Door, Shared } from '../door.js';
import type { StoredIssuer } from '../issuers/store.js';
import type { Issuer } from '../pki/issuer.js';
import { createAuthorities } from './authorities.js';
import { createResponder, type KnownSerial, type OcspResponder } from './responder.js';
import { ocspRoutes } from './routes.js';

type Deps = Pick<Shared, 'clock'> & {
  reader: { requireLease(): void };
  findSerials(issuerId: string, serialNumbers: string[]): Promise<KnownSerial[]>;
  issuers: {
    all(): Promise<StoredIssuer[]>;
    inAccount(account: string): Promise<StoredIssuer[]>;
    open(stored: StoredIssuer): Issuer;
  };
};

/** Answers OCSP. */
export function createOcsp({ clock, reader, findSerials, issuers }: Deps): Door<OcspResponder> {
  const { all, inAccount, open } = issuers;
  const { requireLease } = reader;
  const authorities = createAuthorities<StoredIssuer>({ clock, all, inAccount });
  const responder = createResponder<StoredIssuer>({ clock, authorities, requireLease, findSerials, open });
  const routes = [ocspRoutes(responder)];
  return { verbs: responder, routes, pkiRoutes: routes, follows: [authorities, responder] };
}
