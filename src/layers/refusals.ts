import type { Shared } from '../door.js';
import { createCommands } from '../commands/feature.js';
import { createEdgeFeed } from '../edge-feed/feature.js';
import { createFeed } from '../feed/feature.js';
import { createLists } from '../lists/feature.js';
import { createOcsp } from '../ocsp/feature.js';
import { createRevocation } from '../revocation/feature.js';
import { createSessions } from '../sessions/feature.js';

type Deps = Shared &
  Pick<Parameters<typeof createLists>[0], 'issuers' | 'signer'> &
  Pick<Parameters<typeof createOcsp>[0], 'issuers'> &
  Pick<Parameters<typeof createFeed>[0], 'issuers' | 'requireLive'> &
  Pick<Parameters<typeof createEdgeFeed>[0], 'issuers' | 'authorize'> &
  Pick<Parameters<typeof createSessions>[0], 'decisions'> &
  Pick<Parameters<typeof createRevocation>[0], 'tokens' | 'inAws' | 'findGroup'>;

/** The rooms of what is revoked, and of how the world hears of it. */
export function openRefusals(deps: Deps) {
  const lists = createLists(deps);
  const ocsp = createOcsp({ ...deps, findSerials: lists.verbs.findSerials });
  const feed = createFeed(deps);
  const edgeFeed = createEdgeFeed({ ...deps, feed: feed.verbs });
  const sessions = createSessions({ ...deps, feed: feed.verbs });
  const commands = createCommands(deps);
  const revocation = createRevocation(deps);
  return {
    doors: [ocsp, revocation, feed, edgeFeed, sessions, commands, lists],
    lists: lists.verbs,
    feed: { ...feed.verbs, edges: edgeFeed.verbs.stream },
    sessions: sessions.verbs,
    revocation: revocation.verbs,
  };
}
