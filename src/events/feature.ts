import { randomUUID } from 'node:crypto';
import type { Deliveries } from '../deliveries/verbs.js';
import type { Door, Ledger } from '../door.js';
import { webhookRoutes } from './routes.js';
import { createWebhookService } from './service.js';
import { createWatchStore } from './store.js';

type Deps = Ledger & { deliveries: Pick<Deliveries, 'receivers' | 'seal'> };

/** What happens in an account, told to whoever wants to know. Triggers of the database queue most of it, in the transaction of each change. */
export function createEvents(deps: Deps): Door<object> {
  const { db, clock } = deps;
  const store = createWatchStore(db);
  const holder = randomUUID();
  const whenMine = (name: string, tell: (duty: { name: string; holder: string; seconds: number }) => Promise<void>) => {
    const duty = { name, holder, seconds: 60 };
    return async (): Promise<void> => {
      if (await store.takeDuty(duty, clock())) await tell(duty);
    };
  };
  return {
    verbs: {},
    routes: [webhookRoutes(createWebhookService(deps))],
    chores: [
      { name: 'tell-stale-edges', everyMs: 5000, instances: 'one', run: whenMine('stale-edges', store.tellStale) },
      {
        name: 'tell-expiring',
        everyMs: 60_000,
        atStart: true,
        instances: 'one',
        run: whenMine('expiring', (duty) => store.tellExpiring(duty, clock())),
      },
    ],
  };
}
