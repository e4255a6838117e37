import { createAccountService } from './accounts/service.js';
import { createAccountStore } from './accounts/store.js';
import { appendAudit, createAuditStore } from './audit/store.js';
import { createCertificateStore } from './certificates/store.js';
import type { Clock } from './clock.js';
import type { Config } from './config.js';
import type { Database } from './db/client.js';
import { openJwtKey } from './http/jwt.js';
import { createIssuerService } from './issuers/service.js';
import { createIssuerStore } from './issuers/store.js';
import { appendLog } from './log/append.js';
import { encodePem, thingUri } from './pki/certificate.js';
import { parseCsr } from './pki/csr.js';
import { encodePkcs12 } from './pki/pkcs12.js';
import { publicKeyOf } from './pki/public-key.js';
import { generateKeys } from './pki/signer.js';
import { createPolicyService } from './policies/service.js';
import { createPolicyStore } from './policies/store.js';
import { createEnrollmentService } from './provisioning/enrollment-service.js';
import { createEnrollmentStore } from './provisioning/enrollment-store.js';
import { createPresenter } from './provisioning/presenter.js';
import { createRenewalService } from './provisioning/renewal-service.js';
import { createRenewalStore } from './provisioning/renewal-store.js';
import { createProvisioningService } from './provisioning/service.js';
import { createProvisioningStore } from './provisioning/store.js';
import { createPublisher } from './revocation/publisher.js';
import { createRevocationStore } from './revocation/store.js';
import type { Sealer } from './sealing.js';
import { createThingService } from './things/service.js';
import { createThingStore } from './things/store.js';
import { createAssertionVerifier } from './tokens/assertion.js';
import { createTokenKeyStore } from './tokens/key-store.js';
import { createTokenKeys } from './tokens/keys.js';
import { createTokenService } from './tokens/service.js';
import { createTokenStore } from './tokens/store.js';

/** What the features are made of: opened by main.ts, or by a test. */
export type Resources = { config: Config; db: Database; sealer: Sealer; clock: Clock };

export type Services = Awaited<ReturnType<typeof createServices>>;

/** Wires every feature with plain function calls. The only place that knows them all. */
export async function createServices({ config, db, sealer, clock }: Resources) {
  const issuers = createIssuerService({
    store: createIssuerStore(db),
    sealer,
    clock,
    keyType: config.caKeyType,
    pkiUrl: config.pkiUrl,
  });
  const policies = createPolicyService({ store: createPolicyStore(db) });
  const revocations = createRevocationStore(db);
  const publisher = createPublisher({
    store: revocations,
    clock,
    findIssuer: createIssuerStore(db).find,
    unexpiredIssuers: issuers.unexpired,
    open: issuers.open,
  });

  const accounts = createAccountService({
    store: createAccountStore(db),
    clock,
    audit: appendAudit,
    log: appendLog,
    async prepare(account, settings) {
      const authorities = await issuers.prepare(account);
      const [root, issuing] = authorities.issuers as [(typeof authorities.issuers)[0], (typeof authorities.issuers)[0]];
      const lists = [publisher.first(root, 'root'), publisher.first(issuing, 'issuing')];
      return async (tx) => {
        await authorities.insert(tx);
        for (const list of lists) await revocations.insert(tx, list);
        await policies.seed(tx, account, settings, clock());
      };
    },
  });

  const certificates = createCertificateStore(db, appendAudit, appendLog);
  const tokenStore = createTokenStore(db, appendAudit, appendLog);
  const tokenKeys = await createTokenKeys({
    store: createTokenKeyStore(db),
    sealer,
    clock,
    algorithm: config.tokenAlgorithm,
    openJwtKey,
  });
  const assertions = createAssertionVerifier({
    clock,
    audience: config.publicUrl,
    findCertificate: certificates.findByFingerprint,
    useOnce: tokenStore.useOnce,
  });
  const tokens = createTokenService({
    store: tokenStore,
    keys: tokenKeys,
    assertions,
    clock,
    issuer: config.publicUrl,
    audience: config.tokenAudience,
    findCertificate: certificates.findByFingerprint,
    markUsed: certificates.markUsed,
  });

  const enrollments = createEnrollmentService({
    store: createEnrollmentStore(db),
    clock,
    audit: appendAudit,
    requirePolicies: policies.requireKnown,
    policyForType: policies.forType,
  });
  const provisioning = createProvisioningService({
    store: createProvisioningStore(db, appendAudit, appendLog),
    clock,
    covering: enrollments.covering,
    signing: issuers.signing,
    parseCsr: (pem, account, thingName) => parseCsr(pem, thingUri(account, thingName)).publicKey,
    async generateKey(type) {
      const { privateKey, publicKey } = await generateKeys(type);
      return { privateKey, publicKey: publicKeyOf(publicKey) };
    },
    newFamily: tokens.newFamily,
  });
  const renewals = createRenewalService({
    store: createRenewalStore(db, appendAudit),
    clock,
    signing: issuers.signing,
    parseCsr: (pem, account, thingName) => parseCsr(pem, thingUri(account, thingName)),
    verifyProof: (proof) => assertions.verify(proof, 'renew+jwt'),
    useUp: assertions.useUp,
    markUsed: certificates.markUsed,
  });
  const things = createThingService({
    store: createThingStore(db),
    clock,
    audit: appendAudit,
    log: appendLog,
    requirePolicies: policies.requireKnown,
    createReenroll: enrollments.createReenroll,
  });
  const presenter = createPresenter({
    clock,
    publicUrl: config.publicUrl,
    signing: issuers.signing,
    render: policies.render,
    firstTokens: tokens.first,
    encodePem: (der) => encodePem('CERTIFICATE', der),
    encodePkcs12,
  });

  return {
    accounts,
    audit: createAuditStore(db),
    certificates,
    enrollments,
    issuers,
    presenter,
    provisioning,
    publisher,
    renewals,
    things,
    tokenKeys,
    tokens,
    tokenStore,
  };
}
