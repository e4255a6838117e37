import { createAudit } from './audit/feature.js';
import { createAuthorize } from './authorize/feature.js';
import { createAws } from './aws/feature.js';
import { createCertificates } from './certificates/feature.js';
import { createDecisions } from './decisions/feature.js';
import type { Foundations, Ledger, Shared } from './door.js';
import { createEdgeFeed } from './edge-feed/feature.js';
import { createFeed } from './feed/feature.js';
import { createIdempotency } from './idempotency/feature.js';
import { createIssuers } from './issuers/feature.js';
import { openCallers } from './layers/callers.js';
import { openFirstBoot } from './layers/first-boot.js';
import { openWatching } from './layers/watching.js';
import { createLists } from './lists/feature.js';
import { appendLog } from './log/append.js';
import { createLog } from './log/follow.js';
import { createMonitoring } from './monitoring/feature.js';
import { createOcsp } from './ocsp/feature.js';
import { createPolicies } from './policies/feature.js';
import { createRevocation } from './revocation/feature.js';
import { joinRooms } from './rooms.js';
import { createSegments } from './segments/feature.js';
import { createSessions } from './sessions/feature.js';
import { createThings } from './things/feature.js';
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
  const issuers = createIssuers({ ...shared, lists: () => lists.verbs });
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
  const lists = createLists({ ...shared, issuers: issuers.verbs, signer: tokens.verbs.signer });
  const ocsp = createOcsp({ ...shared, issuers: issuers.verbs, findSerials: lists.verbs.findSerials });
  const { doors: callers, ...calling } = openCallers({
    ...shared,
    prepareAuthorities: issuers.verbs.prepare,
    openList: lists.verbs.open,
    mail: watched.mail,
    seedPolicies: policies.verbs.seed,
  });
  const feed = createFeed({ ...shared, issuers: issuers.verbs, requireLive: calling.requireLive });
  const edgeFeed = createEdgeFeed({ ...shared, issuers: issuers.verbs, authorize: authorize.verbs, feed: feed.verbs });
  const sessions = createSessions({ ...shared, decisions: decisions.verbs, feed: feed.verbs });
  const revocation = createRevocation({ ...shared, tokens: tokens.verbs, inAws: (name) => aws.verbs.follows(name) });

  // Mirrors: the same, elsewhere.
  const aws = createAws({
    ...shared,
    tuning: foundations.aws,
    findThingId: async (account, name) => (await things.verbs.get(account, name)).id,
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
    revokeThing: async (account, name, origin) =>
      void (await revocation.verbs.revokeThing(account, name, 'privilegeWithdrawn', origin)),
    markUsed: certificates.verbs.markUsed,
    findCertificate: certificates.verbs.findByFingerprint,
    tokens: tokens.verbs,
    signing: issuers.verbs.signing,
    lockRoom: segments.verbs.lockRoom,
    render: policies.verbs.render,
    inAws: aws.verbs.ofProvisioned,
    accountExists: calling.accounts.exists,
  });
  const things = createThings({
    ...shared,
    holdPolicies: policies.verbs.hold,
    createReenroll: enrollments.createReenroll,
    inAws: aws.verbs.statusesOf,
    sessionsOf: sessions.verbs.ofThing,
    identity: present,
  });
  const registry = [...callers, ...entering, tokens, things, certificates, audit, issuers];
  const refusals = [ocsp, revocation, feed, edgeFeed, sessions, lists];
  const rest = [aws, decisions, idempotency, createWeb(), ...watching];
  const doors = [...registry, policies, segments, authorize, ...refusals, ...rest];
  const rooms = joinRooms(doors, { log, tell, load: authorize.verbs.load });
  const monitoring = createMonitoring({
    ...foundations,
    ping: () => db.$queryRaw`SELECT 1 FROM log_head`,
    reader: log,
    requireHealthy: lists.verbs.publisher.requireHealthy,
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
    feed: { ...feed.verbs, edges: edgeFeed.verbs.stream },
    lists: lists.verbs,
    offline: issuers.verbs.offline,
    tokens: tokens.verbs,
  };
}
