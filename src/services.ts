import { createAudit } from './audit/feature.js';
import { createAuthorize } from './authorize/feature.js';
import { createAws } from './aws/feature.js';
import { createCertificates } from './certificates/feature.js';
import { createDecisions } from './decisions/feature.js';
import type { Foundations, Ledger, Shared } from './door.js';
import { createIdempotency } from './idempotency/feature.js';
import { createIssuers } from './issuers/feature.js';
import { openCallers } from './layers/callers.js';
import { openFirstBoot } from './layers/first-boot.js';
import { openFleet } from './layers/fleet.js';
import { openRefusals } from './layers/refusals.js';
import { openWatching } from './layers/watching.js';
import { appendLog } from './log/append.js';
import { createLog } from './log/follow.js';
import { createMonitoring } from './monitoring/feature.js';
import { createPipelines } from './pipelines/feature.js';
import { createPolicies } from './policies/feature.js';
import { joinRooms } from './rooms.js';
import { createSegments } from './segments/feature.js';
import { createTokens } from './tokens/feature.js';
import { createWeb } from './web/feature.js';

export type Services = ReturnType<typeof createServices>;

/**
 * Opens the rooms and hands each what it needs of the others: the only place that knows them all. A function stands
 * where a room is needed that opens further down. Nothing is read or written before `start`.
 */
export function createServices(foundations: Foundations) {
  const { db, clock, tell } = foundations;
  const log = createLog(foundations);
  const audit = createAudit(db);
  const ledger: Ledger = { db, clock, commit: log.commit, audit: audit.verbs.append, log: appendLog };
  const idempotency = createIdempotency(ledger);
  const { doors: watching, ...watched } = openWatching({ ...foundations, ...ledger, reader: log });
  const shared: Shared = { ...foundations, ...ledger, ...watched, reader: log };

  // The registry: who there is, and what belongs to whom.
  const decisions = createDecisions(db);
  const segments = createSegments(ledger);
  const certificates = createCertificates(ledger);
  const policies = createPolicies({
    ...shared,
    held: (account, name) => authorize.verbs.held(account, name),
    recentDecisions: decisions.verbs.recentOf,
  });
  const issuers = createIssuers({ ...shared, lists: () => refusing.lists });
  const tokens = createTokens({
    ...shared,
    certificates: certificates.verbs,
    isLive: (caller, token) => authorize.verbs.isLive(caller, token),
  });
  // Decisions: what things may do.
  const authorize = createAuthorize({
    ...shared,
    decisions: decisions.verbs,
    verifyToken: tokens.verbs.readAccess,
    placeOf: (account) => aws.verbs.placeOf(account),
  });
  // Refusals: what is revoked, and how the world hears of it.
  const { doors: refusals, ...refusing } = openRefusals({
    ...shared,
    issuers: issuers.verbs,
    signer: tokens.verbs.signer,
    tokens: tokens.verbs,
    authorize: authorize.verbs,
    decisions: decisions.verbs,
    requireLive: (caller) => calling.requireLive(caller),
    inAws: (name) => aws.verbs.follows(name),
    findGroup: (account, name) => many.findGroup(account, name),
  });
  const { doors: callers, ...calling } = openCallers({
    ...shared,
    prepareAuthorities: issuers.verbs.prepare,
    openList: refusing.lists.open,
    mail: watched.mail,
    seedPolicies: policies.verbs.seed,
  });

  // Mirrors: the same, elsewhere.
  const aws = createAws({
    ...shared,
    tuning: foundations.aws,
    findThingId: async (account, name) => (await many.things.get(account, name)).id,
    findPolicy: policies.verbs.findActiveOr,
    savePolicy: policies.verbs.createUnlessThere,
  });

  // First boot: how a device gets its identity, and reads it.
  const {
    doors: entering,
    enrollments,
    present,
  } = openFirstBoot({
    ...shared,
    requirePolicies: policies.verbs.requireKnown,
    requireSegment: segments.verbs.requireKnown,
    policyForType: policies.verbs.forType,
    revocation: refusing.revocation,
    markUsed: certificates.verbs.markUsed,
    findCertificate: certificates.verbs.findByFingerprint,
    tokens: tokens.verbs,
    signing: issuers.verbs.signing,
    lockRoom: segments.verbs.lockRoom,
    render: policies.verbs.render,
    inAws: aws.verbs.ofProvisioned,
    accountExists: calling.accounts.exists,
    requireLive: calling.requireLive,
    renewalRefused: (thingId, why) => many.noteRefused(thingId, why),
  });
  const { doors: fleet, ...many } = openFleet({
    ...shared,
    ...calling,
    holdPolicies: policies.verbs.hold,
    createReenroll: enrollments.createReenroll,
    inAws: aws.verbs.statusesOf,
    sessionsOf: refusing.sessions.ofThing,
    identity: present,
  });
  const registry = [...callers, ...entering, tokens, ...fleet, certificates, audit, issuers];
  const pipelines = createPipelines({ ...ledger, sites: watched.sites });
  const rest = [aws, decisions, idempotency, createWeb(), ...watching];
  const doors = [...registry, policies, pipelines, segments, authorize, ...refusals, ...rest];
  const rooms = joinRooms(doors, { log, tell, load: authorize.verbs.load });
  const monitoring = createMonitoring({
    ...foundations,
    ping: () => db.$queryRaw`SELECT 1 FROM log_head`,
    reader: log,
    requireHealthy: refusing.lists.publisher.requireHealthy,
    metrics: rooms.metrics,
  });
  return {
    ...rooms,
    routes: [...rooms.routes, ...monitoring.routes],
    ...monitoring.verbs,
    failures: watched.failures,
    log,
    ...calling,
    authorize: authorize.verbs,
    aws: aws.verbs,
    enrollments,
    idempotency: idempotency.verbs,
    feed: refusing.feed,
    lists: refusing.lists,
    offline: issuers.verbs.offline,
    tokens: tokens.verbs,
  };
}
