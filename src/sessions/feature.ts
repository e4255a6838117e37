import type { Door, Ledger, Shared } from '../door.js';
import { createDenials } from './denials.js';
import { sessionRoutes } from './routes.js';
import { createSessionService, type SessionService } from './service.js';
import { createSessionStore } from './store.js';

type ServiceDeps = Parameters<typeof createSessionService>[0];

type Deps = Ledger & {
  count: Shared['count'];
  reader: Pick<Shared['reader'], 'cursorAt'>;
  decisions: { sampled: ServiceDeps['sampled']; seenByName: ServiceDeps['seen'] };
  feed: Pick<ServiceDeps, 'beginRun'>;
};

/** The sessions of devices at edges. */
export function createSessions(deps: Deps): Door<Pick<SessionService, 'ofThing'>> {
  const denials = createDenials(deps.count);
  const service = createSessionService({
    ...deps,
    sampled: deps.decisions.sampled,
    seen: deps.decisions.seenByName,
    beginRun: deps.feed.beginRun,
    store: createSessionStore(deps.db),
    cursorAt: deps.reader.cursorAt,
    denied: denials.count,
  });
  return {
    verbs: { ofThing: service.ofThing },
    routes: [sessionRoutes(service)],
    chores: [{ name: 'sweep-sessions', everyMs: 60_000, instances: 'any', run: service.sweep }],
    metrics: denials.metrics,
  };
}
