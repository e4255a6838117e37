import type { Clock } from '../clock.js';
import { DomainError } from '../errors.js';
import { encodeCertificate } from '../pki/pem.js';
import type { HeldCertificate } from '../registry.js';
import { statusOf, type CertificateStatus } from './status.js';
import type { CertificateFilter, CertificateSpan, CertificateStore } from './store.js';

/** A certificate as operators see it. */
export type ShownCertificate = HeldCertificate & { status: CertificateStatus; pem: string };

type Deps = { store: Pick<CertificateStore, 'find' | 'list' | 'count'>; clock: Clock };

export type CertificateService = ReturnType<typeof createCertificateService>;

/** What operators read of certificates. */
export function createCertificateService({ store, clock }: Deps) {
  const show = (certificate: HeldCertificate): ShownCertificate => ({
    ...certificate,
    status: statusOf(certificate, clock()),
    pem: encodeCertificate(certificate.der),
  });

  return {
    /** @throws DomainError `not-found` */
    async get(account: string, serialNumber: string): Promise<ShownCertificate> {
      const found = await store.find(account, serialNumber);
      if (!found) throw new DomainError('not-found', `there is no certificate ${serialNumber}`);
      return show(found);
    },

    /** A range of the certificates that match a filter. */
    async list(account: string, filter: CertificateFilter, span: CertificateSpan): Promise<ShownCertificate[]> {
      return (await store.list(account, filter, clock(), span)).map(show);
    },

    count: (account: string, filter: CertificateFilter, most: number): Promise<number> =>
      store.count(account, filter, clock(), most),
  };
}
