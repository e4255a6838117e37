import type { Config } from '../config.js';
import type { Door, Shared } from '../door.js';
import type { Following } from '../feed/following.js';
import type { View } from '../feed/stream.js';
import { edgeView } from '../log/edge-view.js';
import { innerTypes, isInner } from '../log/entries.js';
import { createEdgePrincipals } from './principals.js';
import { edgeFeedRoutes } from './routes.js';
import { createEdgeSnapshots, edgeSnapshotPath } from './snapshot.js';
import { createEdgeStore } from './store.js';
import { createEdgeThings } from './things.js';

type Deps = Pick<Shared, 'db' | 'clock'> & {
  config: Pick<Config, 'publicUrl'>;
  reader: Parameters<typeof createEdgePrincipals>[0]['reader'];
  issuers: Pick<Parameters<typeof createEdgeSnapshots>[0], 'chains'>;
  authorize: { memorySeconds: number };
  /** Opens a way to follow the log. */
  feed: { follow(name: string, view: View): Following };
};

/** What edges keep in memory: they follow the log of their account in a view that has what decides, and need no answers. */
export function createEdgeFeed(deps: Deps): Door<{ stream: Following['stream'] }> {
  const { db, clock, reader, issuers, authorize, feed } = deps;
  const tokenIssuer = deps.config.publicUrl;
  const store = createEdgeStore(db);
  const serverTime = (): string => clock().toISOString();
  const { service, stream, follows, chores } = feed.follow('edge-streams', {
    of: (entry) => (isInner(entry) ? undefined : edgeView(entry)),
    beside: () => ({ serverTime: serverTime() }),
    hides: innerTypes,
    snapshot: edgeSnapshotPath,
  });
  const snapshots = createEdgeSnapshots({
    store,
    clock,
    tokenIssuer,
    memorySeconds: authorize.memorySeconds,
    chains: issuers.chains,
  });
  const principals = createEdgePrincipals({ store, clock, reader });
  const things = createEdgeThings({ store, clock, reader });
  return {
    verbs: { stream },
    routes: [
      edgeFeedRoutes({ snapshots, principals, things, following: service, tokenIssuer, serverTime }),
      async (app) => void app.addHook('preClose', async () => stream.endAll()),
    ],
    follows,
    chores,
    close: async () => stream.endAll(),
  };
}
