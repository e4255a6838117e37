import { pipelineEntry, policyEntry, segmentEntry } from './builders.js';
import { followerView, parseEntry, pick, type EntryOf, type LogEntry } from './entries.js';

/**
 * What an edge is shown of an entry: for each type the members that are named here, and no others. An edge decides by itself, so
 * beside what every follower sees it gets documents, attributes and segments of its account, and the types for edges alone.
 */
export function edgeView(entry: LogEntry) {
  const { type, payload } = entry;
  const shown = followerView(entry);
  switch (type) {
    case 'thing-changed':
      return { ...shown, ...pick(payload, ['segment', 'policies', 'attributes']) };
    case 'policy':
      return { ...shown, ...pick(payload, ['document']) };
    case 'segment':
      return {
        ...shown,
        segment: payload.segment && pick(payload.segment, ['name', 'cidr', 'allowedProtocols', 'trafficPolicy']),
      };
    case 'token-keys':
      return {
        ...shown,
        came: payload.came.map(publicKeyView),
        went: payload.went.map((key) => pick(key, ['kid', 'retiresAt'])),
      };
    case 'account':
      return { ...shown, ...pick(payload, ['status', 'settings']) };
    case 'session':
    case 'command':
      return { ...shown, ...pick(payload, ['id', 'thingName']) };
    case 'authority':
      return { ...shown, ...pick(payload, ['chain', 'issuer']) };
    case 'pipeline':
      return {
        ...shown,
        name: payload.name,
        pipeline: payload.pipeline && pick(payload.pipeline, ['name', 'version', 'document']),
      };
    case 'certificate':
    case 'release':
    case 'thing':
    case 'token-family':
    case 'key':
    case 'issuer':
    case 'person':
    case 'unknown':
      return shown;
  }
}

/** What edges are shown. */
export type EdgeEntry = ReturnType<typeof edgeView>;

const publicMembers = ['kid', 'kty', 'alg', 'use', 'crv', 'x', 'y', 'n', 'e'] as const;

type PublicKey = { [Member in (typeof publicMembers)[number]]?: unknown };

/** A public key as sets of keys show it (RFC 7517 §4): no member of a private key is among them. */
export function publicKeyView(key: object) {
  return pick(key as PublicKey, publicMembers);
}

/**
 * The entry behind its view: what an edge applies. Views name no account, because an edge serves one.
 * @throws Error for an entry of a known type without the shape of that type
 */
export function parseEdgeEntry(account: string, view: unknown): LogEntry {
  const { position, at, type, ...payload } = view as Record<string, unknown>;
  return parseEntry({ position, at, type, account, payload });
}

type Active = EntryOf<'policy'>['payload'];
type Segment = NonNullable<EntryOf<'segment'>['payload']['segment']>;

/** The active version of a pipeline. */
export type ActivePipeline = NonNullable<EntryOf<'pipeline'>['payload']['pipeline']>;

/** The parts of a page of `GET /v1/edge/snapshot` that decisions are made from. */
type SnapshotPage = {
  position: number;
  serverTime: string;
  policies: Active[];
  segments: Segment[];
  /** Absent from a server that tells edges of no pipelines. */
  pipelines?: ActivePipeline[];
  things: unknown[];
  certificates: unknown[];
};

/**
 * A page of a snapshot as the entries to apply: what is in force, and then what tokens that are still alive may not know, in the order of
 * the log. Pages are applied in their order. @throws Error for what cannot be read
 */
export function entriesOfPage(account: string, page: SnapshotPage): LogEntry[] {
  const place = { position: page.position, at: new Date(page.serverTime) };
  const inForce = [
    ...page.policies.map((policy) => policyEntry(account, policy)),
    ...page.segments.map((segment) => segmentEntry(account, segment.name, segment)),
    ...(page.pipelines ?? []).map((pipeline) => pipelineEntry(account, pipeline.name, pipeline)),
  ];
  const recent = [...page.things, ...page.certificates].map((view) => parseEdgeEntry(account, view));
  return [
    ...inForce.map((entry) => parseEntry({ ...entry, ...place })),
    ...recent.sort((a, b) => a.position - b.position),
  ];
}
