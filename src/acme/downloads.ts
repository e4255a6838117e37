import { encodeCertificate } from '../pki/pem.js';
import { requireRead } from './signed/payload.js';
import { refusal } from './problem.js';
import type { ByAccount } from './signed/requests.js';
import type { ThingStore } from './thing-store.js';

type Deps = {
  things: Pick<ThingStore, 'findCertificate'>;
  signing(account: string): Promise<{ chainFor(certificateDer: Buffer): Buffer[] }>;
};

/** Returns the function that gives certificates with their chain to the account that made the thing (RFC 8555 §7.4.2). */
export function createDownloads({ things, signing }: Deps) {
  /** PEM: the certificate, and those above it up to the root. @throws DomainError `unauthorized`, `malformed` with 404 */
  return async ({ account, jws }: ByAccount, serialNumber: string): Promise<string> => {
    requireRead(jws);
    const found = await things.findCertificate(account.id, serialNumber);
    if (!found)
      throw refusal('notFound', `the account has no certificate ${serialNumber}: its orders name those that it has`);
    if (found.status !== 'active')
      throw refusal('unauthorized', `the thing ${found.name} is ${found.status}, and gets nothing: ask an operator`);
    const above = (await signing(found.account)).chainFor(found.der);
    return [found.der, ...above].map(encodeCertificate).join('');
  };
}
