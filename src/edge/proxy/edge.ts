import { openCourier } from '../commands/open.js';
import type { Decider } from '../decider/decider.js';
import type { Gate } from '../gate.js';
import type { Hooks } from '../mqtt/hooks.js';
import { createAdmission } from '../arrivals/admission.js';
import { createGateway } from '../pipelines/gateway.js';
import { createMachine, sourcesOf } from '../site/machine.js';
import { createSiteReports } from '../site/site-reports.js';
import { openSinks } from '../sinks/open.js';
import type { Sinks } from '../sinks/sinks.js';
import { addSinkFigures, tellOfSinks } from '../sinks/telling.js';
import { isUdp, monitorOf, type EdgeConfig } from '../settings/config.js';
import { createCoapFront } from '../coap/front.js';
import { openUdpListener } from '../coap/udp-listener.js';
import { openListener, type OpenListener } from './listeners.js';
import type { Spoken } from '../settings/config-shapes.js';
import { createRefusalLog, type Tell } from './log.js';
import { createMeters, decided, openMonitor } from './monitor.js';
import { createMqttFront } from './mqtt-front.js';
import { fileShortage } from './open-files.js';
import { createReceiver, type Receiver } from './receivers.js';
import { createReports, type ReportAnswer } from './reports.js';
import { createSegments } from './segments.js';
import { createSessions, systemTimers, type Timers } from './sessions.js';
import type { Troubles } from './troubles.js';
import { createHttpUpstream, createMqttUpstream } from './upstream.js';
import { createWitness } from './witness.js';

/** What the edge needs of whoever decides for it. */
export type EdgeDecider = {
  gate: Gate;
  incarnation: string;
  /** Posts what changed of the sessions. Never throws. */
  report(report: object): Promise<ReportAnswer>;
  /** Posts what the machine has. Never throws. */
  reportSite(report: object): Promise<ReportAnswer>;
  commands: Decider['commands'];
  pipelines: Decider['pipelines'];
  close(): Promise<void>;
};

/** What an edge is put together from. */
export type EdgeParts = {
  config: EdgeConfig;
  decider: EdgeDecider;
  tell: Tell;
  troubles: Troubles;
  /** The wall clock of this machine, milliseconds since 1970. */
  machineNow(): number;
  hooks?: Hooks | undefined;
  timers?: Timers;
};

/** An edge that runs. */
export type Edge = Awaited<ReturnType<typeof openEdge>>;

const lastingProtocols: readonly Spoken[] = ['mqtt', 'mqtts', 'ws', 'wss', 'coap', 'coaps'];
const webProtocols: readonly Spoken[] = ['http', 'https'];
const shuttingDown = { code: 0x8b, text: 'this edge shuts down: connect again' };
const drainMs = 10_000;
const drainLookMs = 50;
const turnMs = 10_000;

/** Opens everything that the settings name. @throws EdgeStartError, EdgeConfigError for what cannot be opened; nothing is open then */
export async function openEdge(parts: EdgeParts) {
  const { config, decider, tell, troubles, timers = systemTimers } = parts;
  // The clock of a machine may jump by days once it hears of the time, and what is too old is dropped for good.
  const sinks = await openSinks({ config, events: tellOfSinks(tell, troubles), now: decider.gate.now });
  const core = createCore(parts, timers, sinks);
  const { sessions, reports, refusals, service, broker, courier, gateway, isDraining } = core;
  const opened: OpenListener[] = [];
  const receivers: Receiver[] = [];
  let turnTimer: unknown;

  const stopListening = (): void => {
    opened.forEach(({ close }) => close());
    receivers.forEach(({ close }) => close());
  };
  const turn = (): void => {
    refusals.turn();
    turnTimer = timers.set(turn, turnMs);
  };

  const openAll = async () => {
    await gateway?.open();
    for (const [index, listener] of config.listeners.entries()) {
      const place = config.placeOf(['listeners', index]);
      if (isUdp(listener) && core.coap) {
        opened.push(await openUdpListener(listener, { front: core.coap, admission: core.admission, place }));
        continue;
      }
      const receiver = createReceiver(listener, core);
      receivers.push(receiver);
      opened.push(
        await openListener(listener, {
          ...core,
          connectTimeout: config.limits.connectTimeout,
          place,
          receive: receiver.receive,
        }),
      );
    }
    return watch(parts, core);
  };

  decider.gate.follow(sessions.enforce);
  const monitor = await openAll().catch(async (error: unknown) => {
    stopListening();
    sessions.close();
    await courier?.close();
    await gateway?.close();
    await sinks.close();
    throw error;
  });
  turn();
  const site = tellSite(parts, core, opened, timers);
  const shortage = fileShortage(config.limits.connections);
  if (shortage) {
    const { needed, allowed } = shortage;
    tell.warn({ needed, allowed }, 'too few files may be open for limits.connections');
  }
  for (const { listener, port } of opened)
    tell.info({ protocol: listener.protocol, host: listener.host ?? '*', port }, 'the edge listens');

  /** Waits for open requests, up to a limit. */
  const drainRequests = async (): Promise<void> => {
    const until = performance.now() + drainMs;
    while (sessions.size() > 0 && performance.now() < until) {
      receivers.forEach(({ close }) => close());
      await new Promise((resolve) => setTimeout(resolve, drainLookMs));
    }
  };

  return {
    /** Where it listens, in the order of the settings. */
    ports: opened.map(({ listener, port }) => ({ protocol: listener.protocol, port })),

    /** Reads certificates, keys and passwords again. One that cannot be used leaves the old one in place, and is logged. */
    reload(): void {
      for (const { reload } of [...opened, sinks, ...(broker ? [broker] : []), ...(courier ? [courier] : [])])
        try {
          reload();
        } catch (error) {
          tell.error({ err: error }, 'this cannot be used: the old one stays');
        }
      tell.info({}, 'certificates and passwords were read again');
    },

    /** Accepts nothing more, tells devices to connect again, lets open requests finish, and closes everything. */
    async close(): Promise<void> {
      if (isDraining()) return;
      core.drain();
      stopListening();
      courier?.stop();
      await sessions.endAll(shuttingDown, lastingProtocols);
      await drainRequests();
      await sessions.endAll(shuttingDown, webProtocols);
      opened.forEach(({ destroyAll }) => destroyAll());
      sessions.close();
      timers.clear(turnTimer);
      site.close();
      await courier?.close();
      await gateway?.close();
      await sinks.close();
      await reports.close();
      service?.close();
      monitor?.close();
      await decider.close();
    },
  };
}

type Core = ReturnType<typeof createCore>;

/** Everything that listens to no port. */
function createCore(parts: EdgeParts, timers: Timers, sinks: Sinks) {
  const { config, decider, tell, troubles, hooks, machineNow } = parts;
  const { gate, incarnation, report } = decider;
  const { limits, upstream } = config;
  let draining = false;
  const refusals = createRefusalLog(tell, () => gate.now());
  const reports = createReports({
    send: report,
    incarnation,
    timers,
    now: gate.now,
    told: (ids) => courier?.reported(ids),
  });
  const sessions = createSessions({
    gate,
    timers,
    opened: reports.opened,
    closed({ id, guest, sourceIp }, ending) {
      reports.closed(id);
      if (!ending) return;
      meters.endedSessions.inc({ code: `0x${ending.code.toString(16)}` });
      refusals.say({ what: 'session', why: ending.text, thing: guest().thingName, sourceIp });
    },
  });
  const admission = createAdmission({
    limits,
    timers,
    refused: (limit, sourceIp) => refusedBy(limit, sourceIp),
  });
  const refusedBy = (limit: string, sourceIp: string): void => {
    meters.refusedConnections.inc({ limit });
    refusals.say({ what: 'connect', why: `limit: ${limit}`, sourceIp });
  };
  const meters = createMeters({ connections: admission.counts, sessions: sessions.size, trust: gate.trust });
  addSinkFigures(meters.registry, sinks, machineNow);
  const witness = createWitness({ refusals, meters, reports, troubles });
  const service = upstream.http && createHttpUpstream(upstream.http);
  const broker = upstream.mqtt && createMqttUpstream(upstream.mqtt);
  const failed = (error: unknown): void => tell.error({ err: error }, 'a session failed');
  const segments = createSegments(() => performance.now());
  const shared = { gate, sessions, segments, witness, timers };
  const courier = openCourier({ ...shared, config, desk: decider.commands, troubles });
  const gateway = createGateway({ ...shared, config, pipelines: decider.pipelines, sinks, meters, tell, troubles });
  const intake = gateway?.intake;
  const front = broker && createMqttFront({ ...shared, courier, intake, upstream: broker, config, hooks, failed });
  return {
    ...shared,
    sinks,
    refusals,
    reports,
    admission,
    meters,
    limits,
    service,
    broker,
    courier,
    gateway,
    front,
    coap: front && createCoapFront({ ...shared, front, flooded: (sourceIp) => refusedBy('wrongTokens', sourceIp) }),
    isDraining: () => draining,
    drain: () => void (draining = true),
  };
}

/** Opens the monitor. Where its port was not asked for, the edge runs without it too. @throws EdgeStartError */
async function watch({ config, machineNow, tell }: EdgeParts, { meters, gate, isDraining }: Core) {
  const place = config.monitorIsGiven ? config.placeOf(['monitor']) : 'monitor';
  try {
    return await openMonitor(
      { ...monitorOf(config), place },
      { registry: meters.registry, gate, machineNow, isDraining },
    );
  } catch (error) {
    if (config.monitorIsGiven) throw error;
    tell.warn({ why: (error as Error).message }, 'the edge runs without its monitor');
    return undefined;
  }
}

/** Tells the control plane again and again what this machine has, and what of it is in use. */
function tellSite(
  { config, decider }: EdgeParts,
  { meters, sessions, gateway }: Core,
  opened: OpenListener[],
  timers: Timers,
) {
  return createSiteReports({
    send: decider.reportSite,
    machine: createMachine(sourcesOf(config.stateDir, config.site)),
    traffic: async () => ({
      octets: opened.reduce((sum, { octets }) => sum + octets(), 0),
      messages: await decided(meters),
    }),
    sessions: sessions.size,
    pipelines: gateway,
    bandwidth: config.site.bandwidth,
    timers,
    monotonic: () => performance.now(),
  });
}
