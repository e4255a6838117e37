import type { AppendAudit } from '../audit/store.js';
import type { Clock } from '../clock.js';
import type { KeyAlgorithm } from '../config.js';
import type { Commit, Database } from '../db/client.js';
import type { AppendLog } from '../log/append.js';
import type { Sealer } from '../sealing.js';
import { createAssertionVerifier } from './assertion.js';
import { createKeyProofVerifier } from './key-proof.js';
import { createTokenKeyStore } from './key-store.js';
import { createTokenKeys } from './keys.js';
import { createTokenService } from './service.js';
import { createTokenStore } from './store.js';

type Deps = {
  db: Database;
  commit: Commit;
  clock: Clock;
  audit: AppendAudit;
  log: AppendLog;
  sealer: Sealer;
  issuer: string;
  audience: string;
  algorithm: KeyAlgorithm;
  openJwtKey: Parameters<typeof createTokenKeys>[0]['openJwtKey'];
  findCertificate: Parameters<typeof createTokenService>[0]['findCertificate'];
  findLiveOf: Parameters<typeof createAssertionVerifier>[0]['findLiveOf'];
  markUsed: Parameters<typeof createTokenService>[0]['markUsed'];
};

/** Wires the parts of this feature; services.ts brings what they need of others. */
export async function createTokens(deps: Deps) {
  const { db, commit, clock, audit, log, sealer, issuer, algorithm, openJwtKey, findCertificate, findLiveOf } = deps;
  const tokenStore = createTokenStore(db, commit, audit, log);
  const tokenKeys = await createTokenKeys({ store: createTokenKeyStore(db), sealer, clock, algorithm, openJwtKey });
  const { useOnce } = tokenStore;
  const assertions = createAssertionVerifier({ clock, issuer, findCertificate, findLiveOf, useOnce });
  const tokens = createTokenService({ ...deps, store: tokenStore, keys: tokenKeys, assertions });
  const verifyKeyProof = createKeyProofVerifier({ clock, audience: issuer });
  return { tokenStore, tokenKeys, assertions, tokens, verifyKeyProof };
}
