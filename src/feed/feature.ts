import type { Config } from '../config.js';
import type { Door, Shared } from '../door.js';
import type { StoredIssuer } from '../issuers/store.js';
import type { Log } from '../log/follow.js';
import type { Issuer } from '../pki/issuer.js';
import { proxyRoutes } from './proxy-routes.js';
import { createProxies } from './proxies.js';
import { createProxyStore } from './proxy-store.js';
import { feedRoutes } from './routes.js';
import { createSignedSnapshotStore } from './signed-snapshot-store.js';
import { createSignedSnapshots } from './signed-snapshot.js';
import { snapshotRoutes } from './snapshot-routes.js';
import { createFeedService } from './service.js';
import { createFeedStore, type FeedStore } from './store.js';
import { createStream, type Stream } from './stream.js';

type Deps = Pick<Shared, 'db' | 'clock'> & {
  config: Pick<Config, 'streams'>;
  reader: Pick<Log, 'mayAnswer' | 'position' | 'epoch' | 'cursorAt'>;
  issuers: { unexpired(account: string): Promise<StoredIssuer[]>; open(stored: StoredIssuer): Issuer };
  /** @throws DomainError when a key is deleted or has expired, or its account is suspended */
  requireKey(account: string, id: string): Promise<void>;
};

type Verbs = { stream: Stream; store: FeedStore };

/** The log of an account, page by page or pushed, and what proxies say they have applied of it. */
export function createFeed({ config, db, clock, reader, issuers, requireKey }: Deps): Door<Verbs> {
  const { mayAnswer, position, epoch, cursorAt } = reader;
  const { unexpired, open } = issuers;
  const store = createFeedStore(db);
  const proxyStore = createProxyStore(db);
  const stream = createStream({ clock, cursorAt, most: config.streams });
  const snapshots = createSignedSnapshots({ store: createSignedSnapshotStore(db), clock, unexpired, open });
  return {
    verbs: { stream, store },
    routes: [
      feedRoutes({ service: createFeedService({ store, stream, clock, epoch, requireKey }), signed: snapshots.sign }),
      snapshotRoutes(snapshots),
      proxyRoutes({ proxies: createProxies({ store: proxyStore, clock }), cursorAt }),
      async (app) => void app.addHook('preClose', async () => stream.endAll()),
    ],
    follows: [{ apply: stream.push, clear: stream.endAll }],
    chores: [
      { name: 'end-expired-streams', everyMs: 1000, instances: 'each', run: stream.endExpired },
      {
        name: 'tell-streams-the-head',
        everyMs: 5000,
        instances: 'each',
        run() {
          // A follower takes a head for word that it is up to date: without a lease nobody here knows.
          if (mayAnswer()) stream.head(position());
        },
      },
      { name: 'prune-receipts', everyMs: 3_600_000, instances: 'any', run: proxyStore.prune },
    ],
    close: async () => stream.endAll(),
  };
}
