import { createServer, type ServerResponse } from 'node:http';
import { Counter, Gauge, Registry, collectDefaultMetrics } from 'prom-client';
import type { Gate } from '../gate.js';
import { listenAt } from '../settings/listening.js';

/** The figures of an edge. */
export type Meters = ReturnType<typeof createMeters>;

type Sizes = {
  connections(): { connections: number; unauthenticated: number };
  sessions(): number;
  trust: Gate['trust'];
};

const trusts = ['starting', 'live', 'dark', 'spent', 'refused'] as const;

/** Makes the figures, in Prometheus' form. */
export function createMeters({ connections, sessions, trust }: Sizes) {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  // Gauges with a counter's name, which Prometheus' own check refuses; the same figures by type stay.
  for (const what of ['handles', 'requests', 'resources']) registry.removeSingleMetric(`nodejs_active_${what}_total`);
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number): Gauge =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        gauges.get(name)!.set(read());
      },
    });
  const gauges = new Map<string, Gauge>();
  const add = (name: string, help: string, read: () => number): void => void gauges.set(name, gauge(name, help, read));
  add('thingward_edge_connections', 'Open connections', () => connections().connections);
  add(
    'thingward_edge_unauthenticated',
    'Connections that did not show yet who they are',
    () => connections().unauthenticated,
  );
  add('thingward_edge_sessions', 'Live sessions', sessions);
  for (const each of trusts)
    add(`thingward_edge_trust_${each}`, `1 while what is known of the control plane is: ${each}`, () =>
      trust() === each ? 1 : 0,
    );
  return {
    registry,
    decisions: new Counter({
      name: 'thingward_edge_decisions_total',
      help: 'Decisions, by action and outcome',
      labelNames: ['action', 'decision'] as const,
      registers,
    }),
    refusedConnections: new Counter({
      name: 'thingward_edge_refused_connections_total',
      help: 'Connections that a limit refused or ended, by limit',
      labelNames: ['limit'] as const,
      registers,
    }),
    endedSessions: new Counter({
      name: 'thingward_edge_ended_sessions_total',
      help: 'Sessions that the edge ended, by the reason code of MQTT 5',
      labelNames: ['code'] as const,
      registers,
    }),
    upstreamFailures: new Counter({
      name: 'thingward_edge_upstream_failures_total',
      help: 'Connections to the upstream that failed',
      labelNames: ['upstream'] as const,
      registers,
    }),
  };
}

/** How many decisions there were so far. */
export async function decided({ decisions }: Pick<Meters, 'decisions'>): Promise<number> {
  const { values } = await decisions.get();
  return values.reduce((sum, { value }) => sum + value, 0);
}

type Deps = {
  registry: Registry;
  gate: Pick<Gate, 'trust' | 'now'>;
  /** The wall clock of this machine, milliseconds since 1970. */
  machineNow(): number;
  isDraining(): boolean;
  /** What `/readyz` shows beside the state. */
  shown?: (() => object) | undefined;
};

/** What `/readyz` answers. */
export function readiness({ gate, machineNow, isDraining, shown }: Omit<Deps, 'registry'>): {
  status: number;
  body: object;
} {
  const trust = gate.trust();
  const clockErrorSeconds = Math.round((machineNow() - gate.now()) / 100) / 10;
  const isReady = (trust === 'live' || trust === 'dark') && !isDraining();
  const state = { status: isReady ? 'ok' : 'not-ready', trust, draining: isDraining(), ...shown?.() };
  // Before the first word of the control plane there is nothing to compare with.
  return { status: isReady ? 200 : 503, body: trust === 'starting' ? state : { ...state, clockErrorSeconds } };
}

type Place = { host: string; port: number; place: string };

/** Answers `/metrics`, `/healthz` and `/readyz`. Resolves with its port once it listens. @throws EdgeStartError when the port cannot be had */
export async function openMonitor(at: Place, deps: Deps) {
  const answer = (response: ServerResponse, status: number, body: object): void => {
    response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
    response.end(`${JSON.stringify(body)}\n`);
  };
  const server = createServer(
    { maxHeaderSize: 8192, headersTimeout: 5000, requestTimeout: 10_000 },
    (message, response) => {
      message.resume();
      const path = message.url?.split('?', 1)[0];
      if (message.method !== 'GET' && message.method !== 'HEAD')
        return answer(response, 405, { status: 'method-not-allowed' });
      if (path === '/healthz') return answer(response, 200, { status: 'ok' });
      if (path === '/readyz') {
        const { status, body } = readiness(deps);
        return answer(response, status, body);
      }
      if (path !== '/metrics') return answer(response, 404, { status: 'not-found' });
      deps.registry.metrics().then(
        (text) => {
          response.writeHead(200, { 'content-type': deps.registry.contentType });
          response.end(text);
        },
        () => answer(response, 500, { status: 'failed' }),
      );
    },
  );
  server.maxConnections = 100;
  const port = await listenAt(server, { ...at, what: 'the monitor' });
  return {
    port,
    close(): void {
      server.close(() => {});
      server.closeAllConnections();
    },
  };
}
