import { createKeyCache } from './api-keys/cache.js';
import { createApiKeyService } from './api-keys/service.js';
import { createApiKeyStore } from './api-keys/store.js';
import { createAccountService } from './accounts/service.js';
import { createAccountStore } from './accounts/store.js';
import { appendAudit, createAuditStore } from './audit/store.js';
import { createAwsAuthorizer } from './authorize/dialects/aws-authorizer.js';
import { createPrincipals } from './authorize/principals.js';
import { createAuthorizeService } from './authorize/service.js';
import { createAuthzen, createDecisionRecords } from './authorize/services.js';
import { loadSnapshot } from './authorize/snapshot-store.js';
import { createSnapshot } from './authorize/snapshot.js';
import { createPrincipalStore } from './authorize/store.js';
import { awsTuning, createAws, type AwsTuning } from './aws/services.js';
import { createFirstUse } from './certificates/first-use-sql.js';
import { createCertificateService } from './certificates/service.js';
import { createCertificateStore } from './certificates/store.js';
import { createFeedService } from './feed/service.js';
import type { Clock, Stopwatch } from './clock.js';
import type { Config } from './config.js';
import type { Database, Others } from './db/client.js';
import { isUniqueViolation } from './db/errors.js';
import { openJwtKey } from './tokens/jwt.js';
import { createIssuerService } from './issuers/service.js';
import { createIssuerStore } from './issuers/store.js';
import { appendLog, pruneLog } from './log/append.js';
import { followLog } from './log/follow.js';
import { encodeCertificate } from './pki/pem.js';
import { createPolicyServices } from './policies/services.js';
import { compileRange } from './policy/condition.js';
import { createPresenter } from './provisioning/presenter.js';
import { createProvisioning } from './provisioning/services.js';
import { createRevocation, createRevocationState } from './revocation/services.js';
import type { Sealer } from './sealing.js';
import { lockRoom } from './segments/room-sql.js';
import { createSegmentService } from './segments/service.js';
import { createSegmentStore } from './segments/store.js';
import { createThingService } from './things/service.js';
import { createThingStore } from './things/store.js';
import { createTokens } from './tokens/services.js';

/** What the features are made of: opened by main.ts, or by a test. */
export type Resources = {
  config: Config;
  db: Database;
  /** Absent where this is the only instance. */
  others?: Others | undefined;
  sealer: Sealer;
  clock: Clock;
  /** Measures leases. */
  stopwatch: () => Stopwatch;
  onError(error: unknown): void;
  aws?: AwsTuning;
};

export type Services = Awaited<ReturnType<typeof createServices>>;

/** Wires every feature with plain function calls. The only place that knows them all. */
export async function createServices(resources: Resources) {
  const { config, db, others, sealer, clock, onError, aws = awsTuning } = resources;
  // What the log keeps true: filled below, before anybody asks.
  const snapshot = createSnapshot();
  const keyStore = createApiKeyStore(db);
  const keys = createKeyCache({ load: keyStore.findByHash, mayRemember: () => log.mayAnswer() });
  const principals = createPrincipals({
    store: createPrincipalStore(db),
    snapshot,
    position: () => log.position(),
    clock,
    verifyToken: (token) => tokens.readAccess(token),
    cacheSize: config.cacheSize,
  });
  const revoked = createRevocationState(db, {
    position: () => log.position(),
    cursorAt: (position) => log.cursorAt(position),
    clock,
    most: config.streams,
  });
  revoked.follow(keys);
  revoked.follow({ apply: snapshot.apply, clear: principals.clear });
  const log = await followLog({
    db,
    others,
    stopwatch: resources.stopwatch,
    onError,
    async load() {
      const { epoch, position, ...contents } = await loadSnapshot(db, clock());
      const install = (): void => {
        snapshot.load(contents);
        revoked.clear();
      };
      return { epoch, position, install };
    },
    apply: revoked.apply,
  });
  const { commit } = log;

  const issuerStore = createIssuerStore(db);
  const issuers = createIssuerService({
    store: issuerStore,
    commit,
    audit: appendAudit,
    log: appendLog,
    sealer,
    clock,
    keyType: config.caKeyType,
    pkiUrl: config.pkiUrl,
    openShards: revoked.store.shards,
  });
  revoked.follow(issuers);
  const { policies, createPreview } = createPolicyServices({
    db,
    commit,
    clock,
    audit: appendAudit,
    log: appendLog,
    held: snapshot.held,
  });

  const apiKeys = createApiKeyService({
    store: keyStore,
    cache: keys,
    commit,
    commitAddition: log.commitAddition,
    clock,
    audit: appendAudit,
    log: appendLog,
  });
  const accounts = createAccountService({
    store: createAccountStore(db),
    commit,
    commitAddition: log.commitAddition,
    insertOwnerKey: apiKeys.insertOwnerKey,
    clock,
    audit: appendAudit,
    log: appendLog,
    async prepare(account, settings) {
      const authorities = await issuers.prepare(account);
      return async (tx) => {
        await authorities.insert(tx);
        for (const { id } of authorities.issuers) await revoked.store.open(tx, id, 'complete', clock());
        return policies.seed(tx, account, settings, clock());
      };
    },
  });

  const certificateStore = createCertificateStore(db);
  const markUsed = createFirstUse(commit, appendAudit, appendLog);
  const { tokenStore, tokenKeys, assertions, tokens, verifyKeyProof } = await createTokens({
    ...{ db, commit, clock, audit: appendAudit, log: appendLog, sealer, openJwtKey, markUsed },
    ...{ issuer: config.publicUrl, audience: config.tokenAudience, algorithm: config.tokenAlgorithm },
    findCertificate: certificateStore.findByFingerprint,
    findLiveOf: certificateStore.findLiveOf,
  });

  const segments = createSegmentService({
    store: createSegmentStore(db, commit),
    clock,
    audit: appendAudit,
    log: appendLog,
    lockRoom,
    requireRange: (cidr) => void compileRange(cidr),
  });
  const revocation = createRevocation(revoked, {
    ...{ db, commit, clock, audit: appendAudit, publicUrl: config.publicUrl, onError },
    log: { ...log, append: appendLog },
    issuers: { ...issuers, find: issuerStore.find, size: issuerStore.size },
    signer: tokenKeys.signer,
    verifyKeyProof,
    deviceProofs: { verifyProof: (proof) => assertions.verify(proof, 'revoke+jwt'), useUp: assertions.useUp },
  });
  const { revoking } = revocation;
  const { enrollments, provisioning, renewByProof } = createProvisioning({
    ...{ db, commit, clock, audit: appendAudit, log: appendLog, lockRoom, signing: issuers.signing, markUsed },
    requirePolicies: policies.requireKnown,
    requireSegment: segments.requireKnown,
    revokeThing: async (account, name, origin) =>
      void (await revoking.revokeThing(account, name, 'privilegeWithdrawn', origin)),
    policyForType: policies.forType,
    newFamily: tokens.newFamily,
    verifyProof: (proof) => assertions.verify(proof, 'renew+jwt'),
    useUp: assertions.useUp,
  });
  const things = createThingService({
    store: createThingStore(db, commit),
    clock,
    audit: appendAudit,
    log: appendLog,
    requirePolicies: policies.requireKnown,
    createReenroll: enrollments.createReenroll,
  });
  const mirroring = createAws(
    {
      ...{ db, commit, clock, audit: appendAudit, isUniqueViolation, encodePem: encodeCertificate, onError },
      findThingId: async (account, name) => (await things.get(account, name)).id,
      ...{ findPolicy: policies.findActiveOr, savePolicy: policies.createUnlessThere },
    },
    aws,
  );
  const presenter = createPresenter({
    clock,
    publicUrl: config.publicUrl,
    signing: issuers.signing,
    render: policies.render,
    firstTokens: tokens.first,
    inAws: mirroring.aws.ofProvisioned,
  });

  const { records, lastSeen, recorder } = createDecisionRecords(db);
  const authorize = createAuthorizeService({
    clock,
    snapshot,
    principals,
    requireLease: log.requireLease,
    cursor: log.cursor,
    reach: log.reach,
    seen: lastSeen.note,
    decided: recorder.record,
    validitySeconds: config.validitySeconds,
  });
  const preview = createPreview(records.recentOf, config.validitySeconds.others);

  return {
    accounts,
    apiKeys,
    audit: createAuditStore(db),
    authorize,
    authzen: createAuthzen({ authorize, principals, snapshot, sealer }),
    awsAuthorizer: createAwsAuthorizer({ holderOf: authorize.holderOf, placeOf: mirroring.aws.placeOf }),
    certificates: createCertificateService({ store: certificateStore, clock }),
    enrollments,
    issuers,
    lastSeen,
    log,
    policies,
    presenter,
    preview,
    provisioning,
    recorder,
    records,
    renewByProof,
    segments,
    snapshot,
    stream: revoked.stream,
    feed: createFeedService({
      store: revoked.feed,
      stream: revoked.stream,
      clock,
      epoch: log.epoch,
      requireKey: apiKeys.requireLive,
    }),
    ...revocation,
    ...mirroring,
    things,
    tokenKeys,
    tokens,
    tokenStore,

    /** Prunes the beginning of the log, which no longer matters to anyone. */
    pruneLog: (): Promise<number> => pruneLog(db, clock()),

    /** Writes what waits to be written, and gives the lease back. */
    async close(): Promise<void> {
      revoked.stream.endAll();
      await Promise.allSettled([lastSeen.flush(), recorder.flush(), mirroring.closeMirror()]);
      await log.close();
    },
  };
}
