import type { AppendAudit } from '../audit/store.js';
import type { Clock } from '../clock.js';
import type { Commit, Database } from '../db/client.js';
import type { AppendLog } from '../log/append.js';
import type { LogEntry } from '../log/entries.js';
import type { Issuer } from '../pki/issuer.js';
import { createAuthorities } from '../ocsp/authorities.js';
import { createBulkService } from './bulk/service.js';
import { createBulkStore } from './bulk/store.js';
import { createCompactLists } from '../lists/compact.js';
import { createFeedStore } from '../feed/store.js';
import { createListPem } from '../lists/pem.js';
import { createLists } from '../lists/lists.js';
import { withOrphans } from '../lists/orphan-store.js';
import { createProxies } from '../feed/proxies.js';
import { createProxyStore } from '../feed/proxy-store.js';
import { createPublisher, type StoredIssuer } from '../lists/publisher.js';
import { createResponder } from '../ocsp/responder.js';
import { createRevokeService } from './service.js';
import { createSelfRevocation } from './self-revocation.js';
import { createSignedSnapshotStore } from '../feed/signed-snapshot-store.js';
import { createSignedSnapshots } from '../feed/signed-snapshot.js';
import { createRevocationStore } from '../lists/store.js';
import { createStream } from '../feed/stream.js';

type Log = {
  requireLease(): void;
  position(): number;
  catchUp(): Promise<void>;
  cursorAt(position: number): string;
  append: AppendLog;
};

type Issuers<Stored> = {
  all(): Promise<Stored[]>;
  inAccount(account: string): Promise<Stored[]>;
  find(id: string): Promise<Stored | undefined>;
  unexpired(account: string): Promise<Stored[]>;
  open(stored: Stored): Issuer;
  urlsOf(issuerId: string): { crl: string };
  deltaUrlOf(issuerId: string): string;
  size(issuerId: string): Promise<number>;
};

type Deps<Stored> = {
  db: Database;
  commit: Commit;
  clock: Clock;
  audit: AppendAudit;
  log: Log;
  issuers: Issuers<Stored>;
  signer: Parameters<typeof createCompactLists>[0]['signer'];
  deviceProofs: Pick<Parameters<typeof createSelfRevocation>[0], 'verifyProof' | 'useUp'>;
  verifyKeyProof: Parameters<typeof createBulkService>[0]['verifyProof'];
  publicUrl: string;
  /** Lists whose contents are kept in memory; a test makes it small. */
  mostLists?: number;
  onError(error: unknown): void;
};

type Followed = Parameters<typeof createStream>[0] & { position(): number };

/** What follows the log before anything else exists. */
export function createRevocationState(db: Database, deps: Followed) {
  const { position } = deps;
  const store = withOrphans(db, createRevocationStore(db));
  const stream = createStream(deps);
  const followers: { apply(entry: LogEntry): void; clear(): void }[] = [{ apply: stream.push, clear: stream.endAll }];
  return {
    store,
    stream,
    position,
    feed: createFeedStore(db),
    follow: (follower: (typeof followers)[0]): void => void followers.push(follower),
    apply: (entry: LogEntry): void => followers.forEach((follower) => follower.apply(entry)),
    clear: (): void => followers.forEach((follower) => follower.clear()),
  };
}

/** Wires the parts of this feature; services.ts brings what they need of others. */
export function createRevocation<Stored extends StoredIssuer & { certificateDer: Buffer; notAfter: Date }>(
  { store, position, follow }: ReturnType<typeof createRevocationState>,
  deps: Deps<Stored>,
) {
  const { db, commit, clock, audit, log, issuers, publicUrl, onError } = deps;
  const lists = createLists<Stored>({
    findIssuer: issuers.find,
    load: store.load,
    lastChange: store.lastChange,
    lastConfigured: store.lastConfigured,
    position,
    catchUp: log.catchUp,
    ...(deps.mostLists === undefined ? {} : { most: deps.mostLists }),
  });
  follow(lists);
  const publisher = createPublisher<Stored>({
    ...{ store, lists, clock, log },
    unexpiredIssuers: issuers.unexpired,
    open: issuers.open,
    crlUrl: (issuerId) => issuers.urlsOf(issuerId).crl,
    deltaUrl: issuers.deltaUrlOf,
    alarm: onError,
  });
  const authorities = createAuthorities<Stored>({ clock, all: issuers.all, inAccount: issuers.inAccount });
  follow(authorities);
  const responder = createResponder<Stored>({
    clock,
    authorities,
    requireLease: log.requireLease,
    findSerials: store.findSerials,
    open: issuers.open,
  });
  follow(responder);
  const common = { clock, audit, log: log.append };
  const revoking = createRevokeService({ ...common, commit, cursorAt: log.cursorAt });
  return {
    lists,
    publisher,
    responder,
    listPem: createListPem(),
    revoking,
    revokeSelf: createSelfRevocation({ ...deps.deviceProofs, revoke: revoking.revokeSelf }),
    bulk: createBulkService({
      ...common,
      store: createBulkStore(db, commit),
      verifyProof: deps.verifyKeyProof,
      onError,
    }),
    signedSnapshots: createSignedSnapshots({
      store: createSignedSnapshotStore(db),
      clock,
      unexpired: issuers.unexpired,
      open: issuers.open,
    }),
    proxies: createProxies({ store: createProxyStore(db), clock }),
    compactLists: createCompactLists({
      clock,
      contents: publisher.contents,
      size: issuers.size,
      signer: deps.signer,
      tokenIssuer: publicUrl,
      statusUrl: (issuerId) => `${publicUrl}/status/${issuerId}`,
    }),
  };
}
