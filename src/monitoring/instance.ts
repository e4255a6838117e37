import { Gauge, type Metric } from 'prom-client';
import type { PoolState } from '../db/client.js';
import { gauge, gaugeBy } from './gauges.js';

type Deps = {
  version: string;
  zoneData: string;
  /** Rejects while this instance is not ready. */
  checkReady(): Promise<void>;
  mayAnswer(): boolean;
  /** Absent where the database has one connection. */
  pool?: (() => PoolState) | undefined;
};

/** What this instance is, and how it is doing. */
export function instanceMetrics({ version, zoneData, checkReady, mayAnswer, pool }: Deps): Metric[] {
  const build = new Gauge({
    name: 'thingward_build_info',
    help: 'What runs: always 1',
    labelNames: ['version', 'node', 'zone_data'],
    registers: [],
  });
  build.set({ version, node: process.versions.node, zone_data: zoneData }, 1);
  return [
    build,
    gauge('thingward_ready', 'Whether /readyz is 200', () =>
      checkReady().then(
        () => 1,
        () => 0,
      ),
    ),
    gauge('thingward_lease_held', 'Whether this instance holds its lease', () => (mayAnswer() ? 1 : 0)),
    gaugeBy('thingward_database_connections', 'Connections for requests, by what they do', 'state', () => {
      const { total, idle } = pool?.() ?? noPool;
      return { idle, busy: total - idle };
    }),
    gauge('thingward_database_waiting', 'Requests that wait for a connection', () => (pool?.() ?? noPool).waiting),
  ];
}

const noPool: PoolState = { total: 0, idle: 0, waiting: 0 };
