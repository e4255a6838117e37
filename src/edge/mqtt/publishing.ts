import { createAliases } from '../mqtt-packets/aliases.js';
import { bodyLengthOf } from '../mqtt-packets/frames.js';
import { packetType } from '../mqtt-packets/packet-types.js';
import { createPublish, readPublish } from '../mqtt-packets/publish.js';
import { MqttFault, reason } from '../mqtt-packets/reason-codes.js';
import { isTopicName } from '../mqtt-packets/topics.js';
import { acknowledgement, publishHead } from '../mqtt-packets/write.js';
import { cause } from './flow.js';
import { askHook, tellHook, type HookMessage } from './hooks.js';
import { hookSessionOf, reportDenied, reportHooked, type Line } from './line.js';
import { createPacketIds } from '../mqtt-packets/packet-ids.js';
import type { Intake, Taker } from './options.js';
import type { Decided } from './rights.js';

/** Takes PUBLISH of a client: one that is allowed passes as the octets that were judged; of any other, no octet does. */
export function createPublishing(line: Line): (bytes: Buffer, start: number, body: number, end: number) => void {
  const { greeting, rights, toBroker, clientFlow, options } = line;
  const { version } = greeting;
  const { hooks } = options;
  const { onError, onResult } = options.events;
  const { deniedPublish } = options.settings;
  const aliases = createAliases(line.answer.topicAliases);
  const publish = createPublish();
  // QoS 2 that is being kept, and the octets of all that is.
  const keeping = createPacketIds();
  let octets = 0;

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
    if (hooks?.authPublish) return askFirst(bytes, start, end, topic);
    forward(bytes, start, end, topic);
  };

  const forward = (bytes: Buffer, start: number, end: number, topic: Buffer): void => {
    const judged = judge(bytes, topic, bytes[start]! & 7);
    if (!judged.allowed) return refuse(judged);
    if (onResult && isResult(topic, publish.topicEnd)) tellResult(bytes, end, topic);
    const taker = options.intake && takerOf(options.intake, topic, bytes[start]! & 7);
    if (taker) keep(taker, bytes, start, end, topic);
    else send(bytes, start, end, topic);
  };

  const refuse = (judged: Decided): void => {
    reportDenied(line, judged);
    deny(judged.verdict.refusal ?? 'denied by a statement');
  };

  const send = (bytes: Buffer, start: number, end: number, topic: Buffer): void => {
    if (publish.qos === 2) expectRelease(publish.id);
    if (hooks?.publish)
      tellHook(() => hooks.publish!(hookSessionOf(line), messageOf(bytes, start, end, topic)), onError);
    if (topic === bytes) return toBroker.pass(bytes, start, end);
    toBroker.send(publishHead(bytes, bytes[start]!, publish, topic, end - publish.payload));
    if (publish.payload < end) toBroker.pass(bytes, publish.payload, end);
  };

  const takerOf = (intake: Intake, topic: Buffer, flags: number): Taker | undefined => {
    const { topicStart, topicEnd } = publish;
    // The broker completes what it has.
    if (publish.qos === 2 && line.atBroker.has(publish.id)) return undefined;
    const judged = rights.publications.find(topic, topicStart, topicEnd, flags, line.clock.now);
    return intake.takerOf({
      judged,
      guest: rights.guest(),
      topic: () => topic.toString('utf8', topicStart, topicEnd),
      context: judged.ask.context ?? {},
    });
  };

  /** Gives a message to whoever takes it. The client gets its answer once it is kept for good, and by whoever has it then. */
  const keep = (taker: Taker, bytes: Buffer, start: number, end: number, topic: Buffer): void => {
    const taken = { ...publish };
    const { id, qos } = taken;
    // It came again: it is kept already, or its answer is under way.
    if (qos === 2 && line.dropped.has(id)) return line.tell(acknowledgement(packetType.pubrec, id));
    if (qos === 2 && keeping.has(id)) return;
    if (qos === 2) keeping.add(id);
    const payload = Buffer.from(bytes.subarray(taken.payload, end));
    octets += payload.length + aroundPayload;
    // What is forwarded stays in order with what is not taken.
    if (taker.forward) clientFlow.hold(cause.waiting);
    else if (octets > mostKeeping) clientFlow.hold(cause.keeping);
    const over = (then: () => void): void => {
      keeping.delete(id);
      octets -= payload.length + aroundPayload;
      line.guard(then);
      if (octets <= mostKeeping) clientFlow.release(cause.keeping);
      if (taker.forward) clientFlow.release(cause.waiting);
    };
    taker.take(payload).then(
      () =>
        over(() => {
          if (!taker.forward) return acknowledge(id, qos, reason.success);
          Object.assign(publish, taken);
          // What its sender may do can be less by now.
          const judged = judge(bytes, topic, bytes[start]! & 7);
          if (!judged.allowed) return refuse(judged);
          send(bytes, start, end, topic);
          toBroker.flush();
        }),
      () => over(() => acknowledge(id, qos, reason.quotaExceeded)),
    );
  };

  /** Answers a PUBLISH that the broker does not get. MQTT 3 has no word for no: the client keeps it, and connects again. */
  const acknowledge = (id: number, qos: number, code: number): void => {
    if (qos === 0) return;
    if (code !== reason.success && version < 5) throw new MqttFault(code, 'publish: it cannot be kept now');
    if (qos === 2 && code === reason.success) line.dropped.add(id);
    line.tell(acknowledgement(qos === 1 ? packetType.puback : packetType.pubrec, id, code));
  };

  const tellResult = (bytes: Buffer, end: number, topic: Buffer): void => {
    const text = topic.toString('utf8', publish.topicStart, publish.topicEnd);
    onResult!(rights.guest(), text, bytes.subarray(publish.payload, end));
  };

  /** From now on the PUBREL of this identifier is for the broker. */
  const expectRelease = (id: number): void => {
    line.atBroker.add(id);
    line.dropped.delete(id);
  };

  const messageOf = (bytes: Buffer, start: number, end: number, topic: Buffer): HookMessage => ({
    topic: topic.toString('utf8', publish.topicStart, publish.topicEnd),
    payload: bytes.subarray(publish.payload, end),
    qos: publish.qos,
    retain: (bytes[start]! & 1) === 1,
  });

  /** Asks the hook, and reads nothing meanwhile. What it returns is judged in place of what the client sent. */
  const askFirst = (bytes: Buffer, start: number, end: number, topic: Buffer): void => {
    if (!isTopicName(topic, publish.topicStart, publish.topicEnd))
      throw new MqttFault(reason.topicInvalid, 'a topic is empty, no UTF-8, or has a wildcard');
    const [asked, message] = [{ ...publish }, messageOf(bytes, start, end, topic)];
    clientFlow.hold(cause.waiting);
    void askHook(() => hooks!.authPublish!(hookSessionOf(line), message), onError).then((answer) =>
      line.guard(() => {
        Object.assign(publish, asked);
        if (answer === false) {
          reportHooked(line, `publish ${message.topic}`);
          deny('refused by a hook');
        } else if (typeof answer === 'object') forwardOther(bytes, start, { ...message, ...answer });
        else forward(bytes, start, end, topic);
        toBroker.flush();
        clientFlow.release(cause.waiting);
      }),
    );
  };

  /** A PUBLISH with the topic and the payload of a hook, as if the client had sent it so. */
  const forwardOther = (bytes: Buffer, start: number, { topic, payload }: HookMessage): void => {
    const octets = Buffer.from(topic, 'utf8');
    const changed = Buffer.concat([publishHead(bytes, bytes[start]!, publish, octets, payload.length), payload]);
    const body = changed.length - bodyLengthOf(changed);
    readPublish(changed, 0, body, changed.length, version === 5, publish);
    forward(changed, 0, changed.length, changed);
  };

  /** Answers a PUBLISH that does not reach the broker. */
  const deny = (why: string): void => {
    const { id, qos, isDuplicate } = publish;
    // Refused, the client would use the identifier again, and the broker would take the next message for a duplicate.
    const isHeld = qos === 2 && (line.atBroker.has(id) || (isDuplicate && line.answer.sessionPresent));
    if (isHeld || deniedPublish === 'disconnect' || (deniedPublish === 'refuse' && version < 5))
      throw new MqttFault(reason.notAuthorized, `publish: ${why}`);
    if (qos === 0) return;
    const code = deniedPublish === 'refuse' ? reason.notAuthorized : reason.success;
    if (qos === 2 && code === reason.success) line.dropped.add(id);
    line.tell(acknowledgement(qos === 1 ? packetType.puback : packetType.pubrec, id, code));
  };

  return takePublish;
}

const mostKeeping = 262_144;
const aroundPayload = 1024;

const result = Buffer.from('/result');

/** Whether the octets of a topic that end at a place end with `/result`. */
function isResult(topic: Buffer, end: number): boolean {
  const start = end - result.length;
  if (start < 0 || topic[end - 1] !== result[result.length - 1]) return false;
  return topic.compare(result, 0, result.length, start, end) === 0;
}
