import { rfc3339, type Clock } from '../clock.js';
import type { Issuer } from '../pki/issuer.js';
import { signCompact } from '../pki/jws.js';
import type { SignedSnapshotStore } from './signed-snapshot-store.js';

type Stored = { id: string };

type Deps<StoredIssuer extends Stored> = {
  store: SignedSnapshotStore;
  clock: Clock;
  /** The authority that issues. @throws DomainError `not-found` */
  active(account: string): Promise<StoredIssuer>;
  open(stored: StoredIssuer): Issuer;
};

/** The `typ` of a signed snapshot. */
const snapshotType = 'thingward-snapshot+jwt';

export type SignedSnapshots = ReturnType<typeof createSignedSnapshots>;

/**
 * Snapshots of the feed that outlive the database: signed by an authority of the account, whose certificate is in every
 * backup, so that a restored database can check them.
 */
export function createSignedSnapshots<StoredIssuer extends Stored>({ store, clock, active, open }: Deps<StoredIssuer>) {
  return {
    /** Everything revoked, held or suspended in an account, as a compact JWS. @throws DomainError `not-found` without an unexpired issuer */
    async sign(account: string): Promise<string> {
      const signing = await active(account);
      const { epoch, position, certificates, things, lists } = await store.read(account, clock());
      return signCompact(
        open(signing).signer,
        { typ: snapshotType, kid: signing.id },
        {
          account,
          epoch,
          position,
          signedAt: rfc3339(clock()),
          lists: lists.map(({ issuer, number }) => ({ issuer, number: String(number) })),
          certificates: certificates.map(({ revokedAt, notAfter, ...each }) => ({
            ...each,
            revokedAt: rfc3339(revokedAt),
            notAfter: rfc3339(notAfter),
          })),
          things,
        },
      );
    },
  };
}
