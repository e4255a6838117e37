/** An entry of the feed, as far as an edge goes by it. */
export type FeedEntry = {
  position: number;
  type: string;
  fingerprint?: string;
  serialNumber?: string;
  thingName?: string;
  reason?: string;
  status?: string;
  minGen?: number;
};

/** What `GET /v1/revocations/snapshot` answers. */
export type FeedSnapshot = {
  cursor: string;
  position: number;
  certificates: { fingerprint: string; serialNumber: string; thingName: string; reason: string }[];
  things: { thingName: string; status: string; minGen: number }[];
};

export type RevokedSet = ReturnType<typeof createRevokedSet>;

/** What is revoked, held or suspended, in memory. */
export function createRevokedSet() {
  let byFingerprint = new Map<string, string>();
  let bySerial = new Map<string, string>();
  let things = new Map<string, string>();

  return {
    load(snapshot: FeedSnapshot): void {
      byFingerprint = new Map(snapshot.certificates.map(({ fingerprint, reason }) => [fingerprint, reason]));
      bySerial = new Map(snapshot.certificates.map(({ serialNumber, reason }) => [serialNumber, reason]));
      const refused = snapshot.things.filter(({ status }) => status !== 'active');
      things = new Map(refused.map(({ thingName, status }) => [thingName, status]));
    },

    apply({ type, fingerprint, serialNumber, thingName, reason, status }: FeedEntry): void {
      if (type === 'certificate') {
        byFingerprint.set(fingerprint!, reason!);
        bySerial.set(serialNumber!, reason!);
      } else if (type === 'release') {
        byFingerprint.delete(fingerprint!);
        bySerial.delete(serialNumber!);
      } else if (type === 'thing') {
        if (status === 'active') things.delete(thingName!);
        else things.set(thingName!, status!);
      }
    },

    /** Why a certificate is revoked, by its SHA-256 or its serial number in lower-case hex. */
    reasonFor: (certificate: string): string | undefined => byFingerprint.get(certificate) ?? bySerial.get(certificate),

    /** `suspended` or `revoked`; undefined for a thing that is neither. */
    statusOf: (thingName: string): string | undefined => things.get(thingName),

    size: (): number => byFingerprint.size,
  };
}
