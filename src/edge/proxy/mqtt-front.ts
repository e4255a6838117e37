import type { Courier } from '../commands/courier.js';
import type { Gate } from '../gate.js';
import { openMqtt } from '../mqtt/connection.js';
import type { Hooks } from '../mqtt/hooks.js';
import {
  mqttDefaults,
  type Denial,
  type Intake,
  type MqttEvents,
  type Origin,
  type Timers as MqttTimers,
} from '../mqtt/options.js';
import type { MqttSession } from '../mqtt/options.js';
import type { EdgeConfig } from '../settings/config.js';
import type { Arrival } from './listeners.js';
import type { Segments } from './segments.js';
import type { Live, Sessions, Timers } from './sessions.js';
import type { MqttUpstream } from './upstream.js';
import type { Witness } from './witness.js';
import type { Duplex } from 'node:stream';

type Deps = {
  gate: Gate;
  sessions: Pick<Sessions, 'add'>;
  segments: Segments;
  upstream: MqttUpstream;
  witness: Witness;
  config: Pick<EdgeConfig, 'limits' | 'deniedPublish'>;
  timers: Timers;
  hooks: Hooks | undefined;
  /** Absent where nobody carries commands. */
  courier?: Pick<Courier, 'opened' | 'closed' | 'subscribed' | 'published'> | undefined;
  /** Takes messages in place of the broker; absent where no pipelines run. */
  intake?: Intake | undefined;
  failed(error: unknown): void;
};

/** An MQTT connection that arrived, over whatever transport. */
export type MqttArrival = {
  client: Duplex;
  sourceIp: string;
  arrival: Pick<Arrival, 'protocol' | 'fingerprint' | 'withoutCertificates' | 'place'>;
};

// The control plane is asked that long before the broker's side is closed.
const purgeMs = 300;

/** Serves MQTT connections, and keeps their sessions in the table. */
export function createMqttFront(deps: Deps) {
  const { gate, sessions, segments, upstream, witness, config, timers, hooks, courier, intake, failed } = deps;
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
  const newest = new Map<string, MqttSession>();

  /** Whether the broker must forget what it keeps for a device: it will not come back. Not for the newer session of a client id. */
  const isGoneForGood = (session: MqttSession): boolean | Promise<boolean> =>
    session.isPersistent() &&
    newest.get(session.clientId) === session &&
    gate.standing(session.guest()) !== undefined &&
    gate.isGone(session.guest());

  /** Makes the broker forget a session that ended before it could be told so. */
  const purgeLater = async (session: MqttSession, isGone: boolean | Promise<boolean>): Promise<void> => {
    if (!(await isGone) || newest.has(session.clientId)) return;
    // A broker that cannot be reached was reported by whoever dialled it.
    await session.purge().catch(() => {});
  };

  const liveOf = (session: MqttSession, arrival: MqttArrival['arrival']): Live => ({
    guest: session.guest,
    protocol: arrival.protocol,
    sourceIp: session.sourceIp,
    clientId: session.clientId,
    fingerprint: arrival.fingerprint,
    recheck: (change) => session.recheck(change),
    isOver: session.isOver,
    async end(ending) {
      const wasOver = session.isOver();
      const isGone = isGoneForGood(session);
      const purge = typeof isGone === 'boolean' ? isGone : within(isGone, purgeMs, timers);
      await session.end(ending, { purge });
      if (wasOver || session.version < 5 || !(await purge)) void purgeLater(session, isGone);
    },
  });

  return {
    receive({ client, sourceIp, arrival }: MqttArrival): void {
      const { fingerprint, withoutCertificates, place } = arrival;
      const protocol = arrival.protocol as Origin['protocol'];
      let present: MqttSession | undefined;
      let id: string | undefined;
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
          courier?.opened(added.id, session);
          id = added.id;
          leave = added.leave;
        }
        const leaveTable = leave;
        leave = () => {
          if (newest.get(session.clientId) === session) newest.delete(session.clientId);
          left.leave();
          if (id !== undefined) courier?.closed(id);
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
        ...(courier && {
          onSubscribed: () => id !== undefined && courier.subscribed(id),
          onResult: courier.published,
        }),
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
        ...(intake && { intake }),
      });
    },
  };
}

/** What is answered in time; false where it is not. */
function within(answer: Promise<boolean>, ms: number, timers: Timers): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = timers.set(() => resolve(false), ms);
    void answer.then((said) => {
      timers.clear(timer);
      resolve(said);
    });
  });
}

async function dial(upstream: MqttUpstream, witness: Witness): Promise<Duplex> {
  try {
    const broker = await upstream.dial();
    witness.upstreamWorks('mqtt');
    return broker;
  } catch (error) {
    witness.upstreamFailed('mqtt', error as Error);
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
