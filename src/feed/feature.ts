import type { Config } from '../config.js';
import type { Door, Shared } from '../door.js';
import type { StoredIssuer } from '../issuers/store.js';
import { followerView, hiddenTypes, isForEdges, isInner } from '../log/entries.js';
import type { Log } from '../log/follow.js';
import type { Issuer } from '../pki/issuer.js';
import { createFollowings } from './following.js';
import { proxyRoutes } from './proxy-routes.js';
import { createProxies } from './proxies.js';
import { createProxyStore } from './proxy-store.js';
import { feedRoutes } from './routes.js';
import { createReceiptStore, type ReceiptStore } from './receipt-store.js';
import { createSignedSnapshotStore } from './signed-snapshot-store.js';
import { createSignedSnapshots } from './signed-snapshot.js';
import { snapshotRoutes } from './snapshot-routes.js';
import { createFeedStore, type FeedStore } from './store.js';
import type { Follower } from '../log/listeners.js';
import type { Stream, View } from './stream.js';

type Deps = Pick<Shared, 'db' | 'clock'> & {
  config: Pick<Config, 'streams'>;
  reader: Pick<Log, 'mayAnswer' | 'requireLease' | 'position' | 'epoch' | 'cursorAt'>;
  issuers: { active(account: string): Promise<StoredIssuer>; open(stored: StoredIssuer): Issuer };
  /** @throws DomainError when a key is deleted or has expired, a session has ended, or its account is suspended */
  requireLive(follower: Follower): Promise<void>;
};

/** `follow` opens another way to follow the log, with another view. */
type Verbs = {
  stream: Stream;
  store: FeedStore;
  follow: ReturnType<typeof createFollowings>;
  beginRun: ReceiptStore['beginRun'];
};

const feedView: View = {
  of: (entry) => (isForEdges(entry) || isInner(entry) ? undefined : followerView(entry)),
  hides: hiddenTypes,
  snapshot: '/v1/revocations/snapshot',
};

/** The log of an account, page by page or pushed, and what proxies say they have applied of it. */
export function createFeed({ config, db, clock, reader, issuers, requireLive }: Deps): Door<Verbs> {
  const { active, open } = issuers;
  const store = createFeedStore(db);
  const receipts = createReceiptStore(db);
  const follow = createFollowings({ config, store, clock, reader, requireLive });
  const { service, stream, follows, chores } = follow('streams', feedView);
  const snapshots = createSignedSnapshots({ store: createSignedSnapshotStore(db), clock, active, open });
  return {
    verbs: { stream, store, follow, beginRun: receipts.beginRun },
    routes: [
      feedRoutes({ service, signed: snapshots.sign }),
      snapshotRoutes(snapshots),
      proxyRoutes({
        proxies: createProxies({ store: createProxyStore(db), receipts, clock }),
        cursorAt: reader.cursorAt,
      }),
      async (app) => void app.addHook('preClose', async () => stream.endAll()),
    ],
    follows,
    chores: [...chores, { name: 'prune-receipts', everyMs: 3_600_000, instances: 'any', run: receipts.prune }],
    close: async () => stream.endAll(),
  };
}
