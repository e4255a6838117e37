import { LRUCache } from 'lru-cache';
import type { Gate } from '../gate.js';
import { openMqtt } from '../mqtt/connection.js';
import type { Hooks } from '../mqtt/hooks.js';
import { createLimiter, type Limiter } from '../mqtt/limits.js';
import { mqttDefaults, type Denial, type MqttEvents, type Timers as MqttTimers } from '../mqtt/options.js';
import type { MqttSession } from '../mqtt/options.js';
import type { EdgeConfig } from './config.js';
import type { Arrival } from './listeners.js';
import type { Ending, Live, Sessions, Timers } from './sessions.js';
import type { MqttUpstream } from './upstream.js';
import type { Witness } from './witness.js';
import type { Duplex } from 'node:stream';

type Deps = {
  gate: Gate;
  sessions: Pick<Sessions, 'add'>;
  upstream: MqttUpstream;
  witness: Witness;
  config: Pick<EdgeConfig, 'limits' | 'deniedPublish'>;
  timers: Timers;
  hooks: Hooks | undefined;
  failed(error: unknown): void;
};

/** An MQTT connection that arrived, over whatever transport. */
export type MqttArrival = { client: Duplex; sourceIp: string; arrival: Arrival };

const quotaExceeded = 0x97;
const purgeAfterMs = 1000;
const mostSegments = 1000;

/** Serves MQTT connections, and keeps their sessions in the table. */
export function createMqttFront({ gate, sessions, upstream, witness, config, timers, hooks, failed }: Deps) {
  const { limits, deniedPublish } = config;
  const settings = {
    ...mqttDefaults,
    deniedPublish,
    connectTimeoutMs: limits.connectTimeout,
    packetBytes: limits.packetBytes,
    queuedBytesPerConnection: limits.queuedBytesPerConnection,
  };
  const mqttTimers: MqttTimers = {
    setTimeout: timers.set,
    clearTimeout: timers.clear,
    now: () => performance.now(),
  };
  const segments = createSegments(mqttTimers.now);
  const newest = new Map<string, MqttSession>();

  /**
   * Makes the broker forget what it keeps for a revoked thing. The log says of such a thing first that its certificates are revoked,
   * which may also be all: so it is looked at once more, a moment after the session ended.
   */
  const purgeOnceGone = (session: MqttSession): void => {
    timers.set(() => {
      if (gate.isGone(session.guest()) && !newest.has(session.clientId)) session.purge().catch(failed);
    }, purgeAfterMs);
  };

  const liveOf = (session: MqttSession, arrival: Arrival): Live => ({
    guest: session.guest,
    protocol: arrival.protocol,
    sourceIp: session.sourceIp,
    clientId: session.clientId,
    fingerprint: arrival.fingerprint,
    recheck: (change) => session.recheck(change),
    async end(ending) {
      const isBarred = gate.standing(session.guest()) !== undefined;
      const purge = gate.isGone(session.guest()) && newest.get(session.clientId) === session;
      await session.end(ending, { purge });
      // A broker of MQTT 5 was told by the end of the session.
      if (isBarred && session.isPersistent() && !(purge && session.version === 5)) purgeOnceGone(session);
    },
  });

  return {
    receive({ client, sourceIp, arrival }: MqttArrival): void {
      const { fingerprint, withoutCertificates, place } = arrival;
      const protocol = arrival.protocol as 'mqtt' | 'mqtts' | 'ws' | 'wss';
      let present: MqttSession | undefined;
      let leave = (): void => {};

      const onOpened = (session: MqttSession): void => {
        present = session;
        place.authenticated();
        witness.seen(session.guest());
        const added = sessions.add(liveOf(session, arrival));
        const left = segments.enter(gate.segmentOf(session.guest()), session.limits());
        const refused = 'refused' in added ? added.refused : left.refused;
        if (!('refused' in added)) {
          newest.set(session.clientId, session);
          leave = added.leave;
        }
        const leaveTable = leave;
        leave = () => {
          if (newest.get(session.clientId) === session) newest.delete(session.clientId);
          left.leave();
          leaveTable();
        };
        if (refused) void session.end(refused);
      };
      const events: MqttEvents = {
        onOpened,
        onClosed: () => leave(),
        onDenied: (denial) => witness.refused(denial.reason, lineOf(denial, sourceIp)),
        onDecided: (ask, verdict) => witness.decided(present?.guest(), ask, verdict),
        onError: failed,
      };
      openMqtt({
        client,
        facts: { sourceIp, protocol, fingerprint, withoutCertificates },
        gate,
        dial: () => dial(upstream, witness),
        upstream: upstream.credentialsFor,
        settings,
        timers: mqttTimers,
        events,
        limiterOf: (guest, trafficPolicy) => segments.limiterOf(gate.segmentOf(guest), trafficPolicy),
        ...(hooks && { hooks }),
      });
    },
  };
}

async function dial(upstream: MqttUpstream, witness: Witness): Promise<Duplex> {
  try {
    return await upstream.dial();
  } catch (error) {
    witness.upstreamFailed('mqtt');
    throw error;
  }
}

function lineOf({ reason, detail, guest, ask, verdict }: Denial, sourceIp: string) {
  return {
    what: ask?.action ?? 'connect',
    why: verdict?.statement?.id ?? reason,
    thing: guest?.thingName,
    sourceIp,
    resource: ask?.resource,
    detail: ask ? undefined : detail,
  };
}

/** What the things of a segment share: their rates, and the number of their connections. */
function createSegments(now: () => number) {
  const limiters = new LRUCache<string, { trafficPolicy: string; limiter: Limiter }>({ max: mostSegments });
  const counts = new Map<string, number>();
  const none = { refused: undefined, leave: () => {} };

  return {
    /** The rates of a segment, as its traffic policy is now. */
    limiterOf(segment = '', trafficPolicy: string): Limiter {
      const known = limiters.get(segment);
      if (known?.trafficPolicy === trafficPolicy) return known.limiter;
      const limiter = createLimiter(trafficPolicy, now);
      limiters.set(segment, { trafficPolicy, limiter });
      return limiter;
    },

    /** Counts a connection. `refused` says that the segment has too many. */
    enter(
      segment: string | undefined,
      trafficPolicy: string | undefined,
    ): { refused: Ending | undefined; leave(): void } {
      if (segment === undefined || trafficPolicy === undefined) return none;
      const { connectionLimit } = JSON.parse(trafficPolicy) as { connectionLimit?: number };
      const count = (counts.get(segment) ?? 0) + 1;
      counts.set(segment, count);
      const isFull = connectionLimit !== undefined && count > connectionLimit;
      const text = `the segment ${segment} has ${connectionLimit} connections here`;
      return {
        refused: isFull ? { code: quotaExceeded, text } : undefined,
        leave() {
          const left = (counts.get(segment) ?? 1) - 1;
          if (left > 0) counts.set(segment, left);
          else counts.delete(segment);
        },
      };
    },
  };
}
