import type { Duplex } from 'node:stream';
import { readConnect, type Connect } from '../mqtt-packets/connect.js';
import { widthOf } from '../mqtt-packets/fields.js';
import { createFrames, type FrameTaker } from '../mqtt-packets/frames.js';
import { firstOfConnect, firstsOfClient, type Version } from '../mqtt-packets/packet-types.js';
import { MqttFault, reason } from '../mqtt-packets/reason-codes.js';
import { pingRequest, upstreamConnect } from '../mqtt-packets/write.js';
import { admit } from './admission.js';
import { attachBroker, limiterOf } from './attach.js';
import { abandon } from './ending.js';
import { closeBoth, type Ended, type Standing } from './ending.js';
import { cause, createFlow } from './flow.js';
import { watchKeepAlive } from './keep-alive.js';
import { tellHook } from './hooks.js';
import { hookSessionOf, type Holding, type Line } from './line.js';
import type { MqttOptions } from './options.js';
import type { EndReason } from './options.js';
import { createSession } from './session.js';
import type { EndOptions, MqttSession } from './options.js';
import { createSubscriptions } from './subscriptions.js';
import { createUpward } from './upward.js';

/** A connection of a client, from its first octet on. */
export type MqttConnection = {
  /** The device, once it is let in. */
  session(): MqttSession | undefined;
  /** Ends it. Resolves when both sides are destroyed. */
  end(reason: EndReason, options?: EndOptions): Promise<void>;
  /** Resolves when both sides are destroyed. */
  closed: Promise<void>;
};

/**
 * Serves one MQTT connection (3.1, 3.1.1, 5.0): lets the device in, dials the broker, and passes on what the device may send
 * and receive, until one side ends it, or a right ends.
 */
export function openMqtt(options: MqttOptions): MqttConnection {
  const { client, settings, timers, events, gate, hooks } = options;
  const clock = { now: gate.now() };
  let session: ReturnType<typeof createSession> | undefined;
  let keepAlive: ReturnType<typeof watchKeepAlive> | undefined;
  let limiter: ReturnType<typeof limiterOf> | undefined;
  let attached: ReturnType<typeof attachBroker> | undefined;
  let ended: Ended | undefined;
  let isGone = false;
  let seenAt = timers.now();
  let resolveClosed = (): void => {};
  const closed = new Promise<void>((resolve) => (resolveClosed = resolve));
  const standing: Standing = {
    client,
    broker: undefined,
    version: undefined,
    holding: undefined,
    isAmid: () => false,
    isAnnounced: false,
    isAnswered: false,
    most: Infinity,
    settings,
    timers,
  };

  const close = (how: Ended): Promise<void> => {
    if (ended) return closed;
    ended = how;
    timers.clearTimeout(deadline);
    keepAlive?.stop();
    session?.stop();
    clientFlow.end();
    attached?.end();
    const { holding } = standing;
    if (standing.isAnswered && holding && hooks?.disconnect)
      tellHook(() => hooks.disconnect!(hookSessionOf(holding)), events.onError);
    void closeBoth(standing, how).then(() => {
      events.onClosed(how.reason, session);
      resolveClosed();
    });
    return closed;
  };

  const closeLine = (code: number, text: string): void =>
    void close({ reason: { code, text }, by: 'line', purge: false });

  const end = (why: EndReason, { purge = false }: EndOptions = {}): Promise<void> =>
    close({ reason: why, by: isDrain(why.code) ? 'line' : 'edge', purge });

  const leave = (text: string): void =>
    void close({ reason: { code: reason.success, text }, by: 'farewell', purge: false });

  const fail = (error: unknown): void => {
    if (error instanceof MqttFault) return closeLine(error.code, error.message);
    events.onError?.(error);
    closeLine(reason.unspecified, 'an internal error');
  };

  const guard = (work: () => void): void => {
    clock.now = gate.now();
    try {
      work();
    } catch (error) {
      fail(error);
    }
  };

  const goneAfterAll = (): void => {
    seenAt = timers.now();
    keepAlive?.seen();
    if (isGone && !frames.hasWaiting()) closeLine(reason.success, 'the client closed the connection');
  };

  const taker: FrameTaker = {
    take(bytes, start, body, last) {
      standing.version = versionAt(bytes, body, last);
      const connect = readConnect(bytes, start, body, last);
      if (connect.version === 5 && body - start - 1 !== widthOf(last - body))
        throw new MqttFault(reason.malformed, 'the length of a packet has more octets than it needs');
      standing.most = connect.maximumPacketSize;
      timers.clearTimeout(deadline);
      deadline = limit(reason.unavailable, 'the broker did not answer in time');
      clientFlow.hold(cause.waiting);
      welcome(connect).catch(fail);
      return false;
    },
    rest: () => {},
  };
  const frames = createFrames({ firsts: firstOfConnect, most: settings.packetBytes }, taker);
  const clientFlow = createFlow({ stream: client, frames, timers, guard, onRelease: goneAfterAll });
  const limit = (code: number, text: string): unknown =>
    timers.setTimeout(() => closeLine(code, text), settings.connectTimeoutMs);
  let deadline = limit(reason.success, 'no CONNECT came in time');

  const welcome = async (connect: Connect): Promise<void> => {
    const rights = await admit(connect, options);
    if (ended) return;
    const { subscriptions, queuedBytesPerConnection: octets } = settings;
    const holding: Holding = {
      options,
      greeting: greetingOf(connect),
      rights,
      subscriptions: createSubscriptions({ subscriptions, octets }),
    };
    standing.holding = holding;
    limiter = limiterOf(holding);
    const opened = createSession({ holding, seenAt: () => seenAt, isOver: isEnded, end });
    session = opened;
    // Whoever ends sessions knows it before the broker does. Nothing was awaited since it was judged.
    events.onOpened(opened);
    opened.review();
    const packet = upstreamConnect(connect, options.upstream(rights.guest()));
    if (!isEnded()) await reach(holding, packet);
  };

  // A function, because the compiler would believe that nothing ends during a call.
  const isEnded = (): boolean => ended !== undefined;

  const reach = async (holding: Holding, packet: Buffer): Promise<void> => {
    const broker = await dialOf(options);
    if (isEnded()) return abandon(broker);
    standing.broker = broker;
    attached = attachBroker({
      holding,
      broker,
      clientFlow,
      guard,
      clock,
      leave,
      review: () => session?.review(),
      onAnswer: join,
      onGone: () =>
        closeLine(standing.isAnswered ? reason.success : reason.unavailable, 'the broker closed the connection'),
    });
    standing.isAmid = attached.isAmid;
    standing.isAnnounced = true;
    broker.write(packet);
  };

  /** The broker answered: if the device may still be here, it hears of it, and is read. */
  const join = (line: Line): void => {
    line.review();
    if (isEnded()) return;
    const { answer, greeting } = line;
    const { version } = greeting;
    timers.clearTimeout(deadline);
    standing.isAnswered = true;
    line.toClient.send(answer.bytes);
    if (!answer.accepted) return leave('the broker refused the connection');
    if (hooks?.connect) tellHook(() => hooks.connect!(hookSessionOf(line)), events.onError);
    Object.assign(taker, createUpward(line));
    frames.expect(firstsOfClient(version), answer.packetBytes, version === 5);
    keepAlive = watchKeepAlive({
      seconds: answer.keepAlive,
      timers,
      isPaused: () => clientFlow.isHeld(~cause.backlog),
      ping: () => ping(line),
      expire: () => closeLine(reason.keepAliveTimeout, 'the client was silent for longer than its keep-alive'),
    });
    clientFlow.release(cause.waiting);
  };

  client.on('data', (bytes: Buffer) => {
    seenAt = timers.now();
    keepAlive?.seen();
    const wait = limiter?.()?.upward(bytes.length) ?? 0;
    guard(() => frames.push(bytes));
    if (!isEnded()) clientFlow.pause(wait);
  });
  const gone = (): void => {
    isGone = true;
    if (client.destroyed || !frames.hasWaiting()) closeLine(reason.success, 'the client closed the connection');
  };
  client.on('end', gone);
  client.on('close', gone);
  client.on('error', () => {});

  return { session: () => session, end, closed };
}

/** A connection to the broker. @throws MqttFault `unavailable` */
async function dialOf({ dial }: MqttOptions): Promise<Duplex> {
  try {
    const broker = await dial();
    broker.on('error', () => {});
    return broker;
  } catch (error) {
    throw new MqttFault(reason.unavailable, `the broker cannot be reached: ${String(error)}`);
  }
}

/** The level of a CONNECT that may not be one, for its answer: undefined when it names another protocol. */
function versionAt(bytes: Buffer, body: number, end: number): Version | undefined {
  const nameEnd = body + 2 + (end >= body + 2 ? bytes.readUInt16BE(body) : 0);
  const name = nameEnd < end ? bytes.toString('latin1', body + 2, nameEnd) : '';
  if (name !== 'MQTT' && name !== 'MQIsdp') return undefined;
  return bytes[nameEnd]! >= 5 ? 5 : 4;
}

/** What remains of a CONNECT: nothing that holds its octets. */
function greetingOf(connect: Connect): Holding['greeting'] {
  const { version, clean, keepAlive, clientId, will, method } = connect;
  const { sessionExpiry, maximumPacketSize, receiveMaximum } = connect;
  return { version, clean, keepAlive, clientId, will, method, sessionExpiry, maximumPacketSize, receiveMaximum };
}

const isDrain = (code: number): boolean => code === reason.shuttingDown || code === reason.useAnotherServer;

/** Lets the broker hear something in place of a client that is not read. */
function ping({ clientFlow, pings, toBroker }: Line): void {
  if (clientFlow.isHeld(cause.full)) return;
  pings.own++;
  toBroker.send(pingRequest);
}
