import { rfc3339 } from '../clock.js';
import type { Door, Ledger } from '../door.js';
import type { HeldCertificate, RegisteredThing } from '../registry.js';
import type { z } from 'zod';
import { selfRoutes, thingRoutes } from './routes.js';
import type { self } from './schema.js';
import { createThingService, type ThingService } from './service.js';
import { createThingStore } from './store.js';

type Self = z.output<typeof self>;

type Deps = Ledger &
  Omit<Parameters<typeof createThingService>[0], 'store'> & {
    /** How things stand in AWS, by their ids. */
    inAws: Parameters<typeof thingRoutes>[1];
    sessionsOf: Parameters<typeof thingRoutes>[2];
    /** Since when a device is asked to renew. */
    askedToRenewAt(thingId: string): Promise<Date | undefined>;
    /** What a device reads about itself. */
    identity(
      thing: RegisteredThing,
      certificate: HeldCertificate,
    ): Promise<Omit<Self, 'thing' | 'renewAt'> & { thing: Omit<Self['thing'], 'policies'> }>;
  };

/** The registry of things. */
export function createThings(deps: Deps): Door<Pick<ThingService, 'get'>> {
  const service = createThingService({ ...deps, store: createThingStore(deps.db, deps.commit) });
  return {
    verbs: { get: service.get },
    routes: [
      thingRoutes(service, deps.inAws, deps.sessionsOf),
      selfRoutes(async ({ certificate }) => {
        const { thing } = certificate;
        const identity = await deps.identity(thing, certificate);
        const renewAt = await deps.askedToRenewAt(thing.id);
        return {
          ...identity,
          thing: { ...identity.thing, policies: thing.policies },
          ...(renewAt ? { renewAt: rfc3339(renewAt) } : {}),
        };
      }),
    ],
  };
}
