import type { Metric } from 'prom-client';
import { programVersion } from '../cli/version.js';
import type { Config } from '../config.js';
import type { PoolState } from '../db/client.js';
import type { Door } from '../door.js';
import type { App } from '../http/route.js';
import { zoneDataVersion } from '../policy/time/zone.js';
import { instanceMetrics } from './instance.js';
import { createMetrics } from './metrics.js';
import { observeRequests } from './requests.js';
import { healthRoutes } from './routes.js';

type Deps = {
  /** Resolves when the database answers. */
  ping(): Promise<unknown>;
  reader: {
    mayAnswer(): boolean;
    /** @throws DomainError `not-ready` while this instance has no lease */
    requireLease(): void;
  };
  pool?: (() => PoolState) | undefined;
  /** @throws DomainError `not-ready` while lists could not be published */
  requireHealthy(): void;
  config: Pick<Config, 'metricsToken'>;
  /** What the rooms measure. */
  metrics: Metric[];
};

const pingAtMostMs = 2000;

/** How the server is doing, for those who watch it. */
export function createMonitoring(deps: Deps): Door<{ observe(app: App): void; metrics: Metric[] }> {
  const checkReady = async (): Promise<void> => {
    await within(pingAtMostMs, deps.ping());
    deps.reader.requireLease();
    deps.requireHealthy();
  };
  const own = instanceMetrics({
    version: programVersion(),
    zoneData: zoneDataVersion(),
    checkReady,
    mayAnswer: deps.reader.mayAnswer,
    pool: deps.pool,
  });
  const metrics = createMetrics([...own, ...deps.metrics]);
  const { registry } = metrics;
  return {
    verbs: { observe: (app) => observeRequests(app, metrics), metrics: metrics.all },
    routes: [
      healthRoutes({ registry, checkReady, zoneData: zoneDataVersion(), metricsToken: deps.config.metricsToken }),
    ],
  };
}

async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('the database is slow')), ms);
  });
  await Promise.race([work, late]).finally(() => clearTimeout(timer));
}
