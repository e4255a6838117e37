import { DomainError } from './errors.js';

/** How many of each an account may have. docs/limits.md lists them, and a test holds the two together. */
export const mostOfAccount = {
  keys: 20_000,
  proxies: 20_000,
  enrollments: 1_000_000,
  expectedThings: 2_000_000,
  issuers: 32,
  policies: 10_000,
  versionsOfPolicy: 10_000,
  pipelines: 500,
  versionsOfPipeline: 1_000,
  segments: 10_000,
  groups: 1_000,
  openCampaigns: 20,
  sessions: 200_000,
  people: 10_000,
  providers: 20,
  idempotencyKeys: 10_000,
  webhooks: 20,
  alertChannels: 50,
  alertRules: 200,
  openCommands: 100_000,
  commandSchemas: 1_000,
} as const;

/** How many of each a person may have. */
export const mostOfPerson = { sessions: 50, passkeys: 20, keys: 20 } as const;

/** How many streams of what became stale may be open at once on one instance. */
export const mostStaleStreams = { ofPerson: 20, ofAccount: 2000 } as const;

/** How many sessions one edge may report. */
export const mostSessionsOfProxy = 50_000;

/** The longest time after its expiry for which a certificate can be renewed. */
export const mostGraceSeconds = 2 * 365 * 86_400;

/** How long certificates may live, in seconds; the account of a server has the first limit until it is given another. */
export const certificateLife = {
  least: 60,
  byDefault: 90 * 86_400,
  mostByDefault: 365 * 86_400,
  most: 5 * 365 * 86_400,
};

/** What one upload of expected things may hold; docs/limits.md lists it. */
export const mostOfUpload = {
  rows: 1_000_000,
  octets: 1024 ** 3,
  octetsOfLine: 32_768,
  seconds: 3600,
  /** Bad rows that the report names; more are counted. */
  errors: 1000,
  /** Wrong codes after which none is judged. */
  wrongCodes: 10,
};

/** How many devices may be under way to the checks of enrollments at the same time, on an instance; docs/limits.md lists them. */
export const mostChecks = { ofAccount: 64, inAll: 512 };

/** What a command, its answer and its schema may be; docs/limits.md lists it. Sizes in octets. */
export const mostOfCommand = {
  /** Of a thing, not over. */
  open: 100,
  payload: 65_536,
  depth: 32,
  result: 8192,
  seconds: 7 * 86_400,
  schema: 16_384,
  schemaDepth: 32,
  schemaNodes: 200,
};
/** The list of a manufacturer in an upload, in PEM, in octets; docs/limits.md lists it. */
export const mostOctetsOfList = 2 * 1024 * 1024;

/** A proxy that has been silent for so long is not counted on. */
export const proxyStaleSeconds = 15;

/** How many seconds' worth of requests may come at once. */
export const burstSeconds = 10;

/** Refuses one object more than an account may have. `next` says how to make room. */
export function tooMany(what: string, most: number, next: string): DomainError {
  return new DomainError('too-many-requests', `the account has ${most} ${what}, which is the limit: ${next}`, {
    retryAfter: 60,
  });
}
