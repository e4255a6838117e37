import { followerView, parseEntry, pick, type LogEntry } from './entries.js';

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
      return { ...shown, ...pick(payload, ['id', 'thingName']) };
    case 'certificate':
    case 'release':
    case 'thing':
    case 'token-family':
    case 'key':
    case 'issuer':
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
