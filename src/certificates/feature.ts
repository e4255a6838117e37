import type { Door, Ledger } from '../door.js';
import { createFirstUse, type MarkUsed } from './first-use-sql.js';
import { certificateRoutes } from './routes.js';
import { createCertificateService } from './service.js';
import { createCertificateStore, type CertificateStore } from './store.js';

type Verbs = Pick<CertificateStore, 'findByFingerprint' | 'findLiveOf' | 'graceOf'> & { markUsed: MarkUsed };

/** Certificates as they were issued, and what became of them. */
export function createCertificates({ db, commit, clock, audit, log }: Ledger): Door<Verbs> {
  const store = createCertificateStore(db);
  const { findByFingerprint, findLiveOf, graceOf } = store;
  return {
    verbs: { findByFingerprint, findLiveOf, graceOf, markUsed: createFirstUse({ commit, audit, log }) },
    routes: [certificateRoutes(createCertificateService({ store, clock }))],
  };
}
