import { numericDate } from '../clock.js';
import type { Door, Shared } from '../door.js';
import { createAssertionVerifier, type AssertionVerifier } from './assertion.js';
import { createKeyProofVerifier } from './key-proof.js';
import { createTokenKeyStore } from './key-store.js';
import { createTokenKeys, jwksMaxAgeSeconds, type TokenKeys } from './keys.js';
import { createMetadata } from './metadata.js';
import { tokenRoutes } from './routes.js';
import { createTokenService, type TokenService } from './service.js';
import { createTokenStore } from './store.js';

type ServiceDeps = Parameters<typeof createTokenService>[0];

type Deps = Shared & {
  certificates: {
    findByFingerprint: ServiceDeps['findCertificate'];
    findLiveOf: Parameters<typeof createAssertionVerifier>[0]['findLiveOf'];
    graceOf: Parameters<typeof createAssertionVerifier>[0]['graceOf'];
    markUsed: ServiceDeps['markUsed'];
  };
  isLive: Parameters<typeof tokenRoutes>[0]['isLive'];
};

/** What other rooms need of tokens. */
export type Tokens = Pick<TokenService, 'readAccess' | 'findBearer' | 'recognises' | 'first' | 'newFamily'> &
  Pick<TokenKeys, 'signer' | 'rotate'> & {
    assertions: Pick<AssertionVerifier, 'verify' | 'useUp'>;
    verifyKeyProof: ReturnType<typeof createKeyProofVerifier>;
    /** False when this was used before, on any instance. */
    useOnce(hash: Buffer, expiresAt: Date): Promise<boolean>;
  };

/** Access and refresh tokens, and the JWTs by which devices prove their keys. */
export function createTokens(deps: Deps): Door<Tokens> {
  const { config, db, commit, clock, audit, log, sealer, failures, isLive } = deps;
  const { publicUrl: issuer, tokenAudience: audience, tokenAlgorithm: algorithm } = config;
  const { findByFingerprint: findCertificate, findLiveOf, graceOf, markUsed } = deps.certificates;
  const store = createTokenStore({ db, commit, audit, log });
  const keys = createTokenKeys({ store: createTokenKeyStore(db), sealer, clock, algorithm });
  const { useOnce } = store;
  const assertions = createAssertionVerifier({ clock, issuer, findCertificate, findLiveOf, graceOf, useOnce });
  const service = createTokenService({
    store,
    keys,
    assertions,
    clock,
    issuer,
    audience,
    findCertificate,
    markUsed,
  });
  const { readAccess, findBearer, recognises, first, newFamily } = service;
  return {
    verbs: {
      readAccess,
      findBearer,
      recognises,
      first,
      newFamily,
      signer: keys.signer,
      rotate: keys.rotate,
      assertions,
      useOnce,
      verifyKeyProof: createKeyProofVerifier({ clock, audience: issuer }),
    },
    routes: [
      tokenRoutes({
        service,
        failures,
        jwksMaxAgeSeconds,
        isLive,
        metadata: createMetadata(issuer, algorithm),
        introspectedUntil: () => numericDate(clock()) + config.introspectionSeconds,
      }),
    ],
    chores: [
      { name: 'read-token-keys', everyMs: 30_000, instances: 'each', run: keys.reload },
      { name: 'sweep-tokens', everyMs: 3_600_000, instances: 'any', run: () => store.sweep(clock()) },
    ],
    start: keys.start,
  };
}
