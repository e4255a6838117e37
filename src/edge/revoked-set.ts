import type { FollowerEntry } from '../log/entries.js';

/** The entries of the feed that change what an edge refuses. */
export type FeedEntry = Extract<FollowerEntry, { type: 'certificate' | 'release' | 'thing' }>;

/** An entry that changes nothing here: of another type, or of one that this version does not know. */
type OtherEntry = { type: 'other'; position: number };

const needed = {
  certificate: ['fingerprint', 'serialNumber', 'thingName', 'reason'],
  release: ['fingerprint', 'serialNumber'],
  thing: ['thingName', 'status'],
} as const satisfies Record<FeedEntry['type'], readonly string[]>;

/** Reads an entry as the feed sent it. @throws Error when what it says cannot be applied: it must not be passed over */
export function readFeedEntry(sent: unknown): FeedEntry | OtherEntry {
  const { type, position } = (sent ?? {}) as { type?: unknown; position?: unknown };
  if (typeof type !== 'string' || typeof position !== 'number') throw new Error('the feed sent no entry');
  if (type !== 'certificate' && type !== 'release' && type !== 'thing') return { type: 'other', position };
  const isWhole = needed[type].every((member) => typeof (sent as Record<string, unknown>)[member] === 'string');
  if (!isWhole) throw new Error(`the feed sent an entry of type ${type} that cannot be read`);
  return sent as FeedEntry;
}

/** What `GET /v1/revocations/snapshot` answers. Where a restored backup lacks a certificate, only its serial number is known. */
export type FeedSnapshot = {
  cursor: string;
  position: number;
  certificates: { fingerprint?: string; serialNumber: string; thingName?: string; reason: string }[];
  things: { thingName: string; status: string; minGen: number }[];
};

/** What is revoked, held or suspended, in memory. */
export function createRevokedSet() {
  let byFingerprint = new Map<string, string>();
  let bySerial = new Map<string, string>();
  let things = new Map<string, string>();

  return {
    load(snapshot: FeedSnapshot): void {
      byFingerprint = new Map(
        snapshot.certificates.flatMap(({ fingerprint, reason }) => (fingerprint ? [[fingerprint, reason]] : [])),
      );
      bySerial = new Map(snapshot.certificates.map(({ serialNumber, reason }) => [serialNumber, reason]));
      const refused = snapshot.things.filter(({ status }) => status !== 'active');
      things = new Map(refused.map(({ thingName, status }) => [thingName, status]));
    },

    apply(entry: FeedEntry): void {
      switch (entry.type) {
        case 'certificate':
          byFingerprint.set(entry.fingerprint, entry.reason);
          return void bySerial.set(entry.serialNumber, entry.reason);
        case 'release':
          byFingerprint.delete(entry.fingerprint);
          return void bySerial.delete(entry.serialNumber);
        case 'thing':
          if (entry.status === 'active') things.delete(entry.thingName);
          else things.set(entry.thingName, entry.status);
      }
    },

    /** Why a certificate is revoked, by its SHA-256 or its serial number in lower-case hex. */
    reasonFor: (certificate: string): string | undefined => byFingerprint.get(certificate) ?? bySerial.get(certificate),

    /** `suspended` or `revoked`; undefined for a thing that is neither. */
    statusOf: (thingName: string): string | undefined => things.get(thingName),

    size: (): number => bySerial.size,
  };
}
