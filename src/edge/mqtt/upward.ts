import {
  readAcknowledgement,
  readAuth,
  readDisconnect,
  type Acknowledgement,
} from '../mqtt-packets/acknowledgements.js';
import { createAliases } from './aliases.js';
import type { FrameTaker } from '../mqtt-packets/frames.js';
import { reportDenied, type Line } from './line.js';
import { longestWaitMs } from './limits.js';
import { packetType } from '../mqtt-packets/packet-types.js';
import { createPublish, readPublish } from '../mqtt-packets/publish.js';
import { MqttFault, reason } from '../mqtt-packets/reason-codes.js';
import { reauthenticate } from './reauthentication.js';
import type { Decided } from './rights.js';
import { createSubscribing } from './subscribing.js';
import { acknowledgement, publishHead } from '../mqtt-packets/write.js';

/** Takes what a client sends after CONNECT: what it may send goes to the broker, as the octets that were judged. */
export function createUpward(line: Line): Pick<FrameTaker, 'take' | 'rest'> {
  const { greeting, rights, toBroker, clientFlow, options } = line;
  const { version, will } = greeting;
  const { deniedPublish } = options.settings;
  const aliases = createAliases(line.answer.topicAliases);
  const publish = createPublish();
  const acknowledged: Acknowledgement = { id: 0, code: 0 };
  const { subscribe, unsubscribe } = createSubscribing(line);

  /** The octets of the topic of the PUBLISH, which may be an alias; `publish` then says where in them it is. */
  const resolveAlias = (bytes: Buffer): Buffer => {
    const { alias, topicStart, topicEnd } = publish;
    if (alias === 0 && topicStart === topicEnd && version === 5)
      throw new MqttFault(reason.protocolError, 'a PUBLISH has neither a topic nor an alias');
    if (alias === 0) return bytes;
    const topic = topicStart === topicEnd ? aliases.get(alias) : aliases.set(alias, bytes, topicStart, topicEnd);
    publish.topicStart = 0;
    publish.topicEnd = topic.length;
    return topic;
  };

  const judge = (bytes: Buffer, topic: Buffer, flags: number): Decided => {
    const { topicStart, topicEnd, responseTopic } = publish;
    const judged = rights.publications.find(topic, topicStart, topicEnd, flags, line.clock.now);
    if (responseTopic === 0 || !judged.allowed) return judged;
    const end = responseTopic + 2 + bytes.readUInt16BE(responseTopic);
    return rights.responses.find(bytes, responseTopic + 2, end, 0, line.clock.now);
  };

  const takePublish = (bytes: Buffer, start: number, body: number, end: number): void => {
    readPublish(bytes, start, body, end, version === 5, publish);
    const topic = resolveAlias(bytes);
    const judged = judge(bytes, topic, bytes[start]! & 7);
    if (!judged.allowed) return deny(judged);
    if (publish.qos === 2) line.atBroker.add(publish.id);
    if (topic === bytes) return toBroker.pass(bytes, start, end);
    toBroker.send(publishHead(bytes, bytes[start]!, publish, topic, end - publish.payload));
    if (publish.payload < end) toBroker.pass(bytes, publish.payload, end);
  };

  const deny = (judged: Decided): void => {
    reportDenied(line, judged);
    const { id, qos, isDuplicate } = publish;
    // Refused, the client would use the identifier again, and the broker would take the next message for a duplicate.
    const isHeld = qos === 2 && (line.atBroker.has(id) || (isDuplicate && line.answer.sessionPresent));
    if (isHeld || deniedPublish === 'disconnect' || (deniedPublish === 'refuse' && version < 5))
      throw new MqttFault(reason.notAuthorized, `publish: ${judged.verdict.refusal ?? 'denied by a statement'}`);
    if (qos === 0) return;
    const code = deniedPublish === 'refuse' ? reason.notAuthorized : reason.success;
    if (qos === 2 && code === reason.success) line.dropped.add(id);
    line.tell(acknowledgement(qos === 1 ? packetType.puback : packetType.pubrec, id, code));
  };

  const takeAcknowledgement = (bytes: Buffer, start: number, body: number, end: number): void => {
    readAcknowledgement(bytes, start, body, end, version, acknowledged);
    const isRelease = (bytes[start]! & 0xf0) === packetType.pubrel;
    if (isRelease && line.dropped.delete(acknowledged.id))
      return line.tell(acknowledgement(packetType.pubcomp, acknowledged.id));
    toBroker.pass(bytes, start, end);
  };

  const takeDisconnect = (bytes: Buffer, start: number, body: number, end: number): void => {
    const { code, sessionExpiry } = readDisconnect(bytes, body, end, version);
    if (sessionExpiry !== undefined && sessionExpiry > 0 && greeting.sessionExpiry === 0)
      throw new MqttFault(reason.protocolError, 'DISCONNECT makes a session last that CONNECT did not');
    if (code !== reason.success && will !== undefined && !rights.ofWill(will).allowed) {
      const silent = Buffer.from(bytes.subarray(start, end));
      silent[body - start] = reason.success;
      toBroker.send(silent);
    } else toBroker.pass(bytes, start, end);
    toBroker.flush();
    line.leave('the client disconnected');
  };

  const takeOther = (bytes: Buffer, start: number, body: number, end: number): void => {
    switch (bytes[start]! & 0xf0) {
      case packetType.subscribe:
        return subscribe(bytes, start, body, end);
      case packetType.unsubscribe:
        return unsubscribe(bytes, start, body, end);
      case packetType.pingreq:
        if (body !== end) throw new MqttFault(reason.malformed, 'PINGREQ has a body');
        line.pings.ofClient++;
        return toBroker.pass(bytes, start, end);
      case packetType.disconnect:
        return takeDisconnect(bytes, start, body, end);
      case packetType.auth:
        return reauthenticate(line, readAuth(bytes, body, end));
      default:
        return takeAcknowledgement(bytes, start, body, end);
    }
  };

  const isRequest = (type: number): boolean =>
    type === packetType.publish || type === packetType.subscribe || type === packetType.unsubscribe;

  /** Counts a request; the next one may have to wait. */
  const pace = (type: number): void => {
    const wait = isRequest(type) ? (line.limiter()?.request() ?? 0) : 0;
    if (wait > longestWaitMs) throw new MqttFault(reason.rateTooHigh, 'the rate limit of the segment is exceeded');
    clientFlow.pause(wait);
  };

  return {
    take(bytes, start, body, end) {
      const type = bytes[start]! & 0xf0;
      pace(type);
      if (type === packetType.publish) takePublish(bytes, start, body, end);
      else takeOther(bytes, start, body, end);
      return !clientFlow.isHeld();
    },
    rest: () => toBroker.flush(),
  };
}
