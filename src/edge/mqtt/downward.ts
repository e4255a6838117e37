import { readAcknowledgement, type Acknowledgement } from '../mqtt-packets/acknowledgements.js';
import { readPacketId } from '../mqtt-packets/fields.js';
import { cause } from './flow.js';
import type { FrameTaker } from '../mqtt-packets/frames.js';
import { reportDenied, requireFit, type Line } from './line.js';
import { packetType } from '../mqtt-packets/packet-types.js';
import { holder, readProperties } from '../mqtt-packets/properties.js';
import { createPublish, readHead } from '../mqtt-packets/publish.js';
import { MqttFault, reason } from '../mqtt-packets/reason-codes.js';
import type { Decided } from './rights.js';
import { acknowledgement, packetOf } from '../mqtt-packets/write.js';

/**
 * Mosquitto 2.0 does not give back its place in the window of deliveries (MQTT 5.0 §4.9) for a message that PUBREC refuses, and sends
 * nothing more once all places are lost. So few are refused by PUBREC, and the others are completed as if they were taken.
 */
const mostRefusedAloud = 4;

/** Takes what the broker sends after CONNACK: a device gets only what it may receive now. */
export function createDownward(line: Line): Required<FrameTaker> {
  const { greeting, rights, subscriptions, toBroker, toClient } = line;
  const { version } = greeting;
  const publish = createPublish();
  const acknowledged: Acknowledgement = { id: 0, code: 0 };
  let refusalsLeft = version === 5 ? Math.min(mostRefusedAloud, Math.floor(greeting.receiveMaximum / 2)) : 0;

  const judge = (bytes: Buffer, start: number, body: number, end: number): Decided => {
    readHead(bytes, bytes[start]!, body, end, publish);
    const { topicStart, topicEnd } = publish;
    // An alias would have no topic; the broker was told that there are none.
    return rights.deliveries.find(bytes, topicStart, topicEnd, bytes[start]! & 7, line.clock.now);
  };

  /** Answers the broker in place of the client, which never hears of the delivery. */
  const refuse = (judged: Decided): void => {
    reportDenied(line, judged);
    const { qos, id } = publish;
    if (qos === 1) toBroker.send(acknowledgement(packetType.puback, id));
    if (qos !== 2) return;
    const isAloud = refusalsLeft-- > 0;
    if (!isAloud) line.refused.add(id);
    toBroker.send(acknowledgement(packetType.pubrec, id, isAloud ? reason.notAuthorized : reason.success));
  };

  const takeAcknowledgement = (bytes: Buffer, start: number, body: number, end: number): void => {
    const type = bytes[start]! & 0xf0;
    readAcknowledgement(bytes, start, body, end, version, acknowledged);
    const { id, code } = acknowledged;
    if (type === packetType.pubrel && line.refused.delete(id))
      return toBroker.send(acknowledgement(packetType.pubcomp, id));
    if (type === packetType.pubcomp || (type === packetType.pubrec && code >= 0x80)) line.atBroker.delete(id);
    toClient.pass(bytes, start, end);
  };

  /** A SUBACK or UNSUBACK, with the codes that the edge gave at their places. */
  const takeAnswer = (bytes: Buffer, start: number, body: number, end: number): void => {
    const id = readPacketId(bytes, body, end);
    const isSubscribe = bytes[start] === packetType.suback;
    const payload = version === 5 ? readProperties(bytes, body + 2, end, holder.acknowledgement) : body + 2;
    const given = isSubscribe || version === 5 ? bytes.subarray(payload, end) : undefined;
    const codes = subscriptions.answer(id, isSubscribe, given);
    if (codes === false) throw new MqttFault(reason.unspecified, 'the broker answered for another number of filters');
    if (!subscriptions.isBusy()) line.clientFlow.release(cause.pending);
    if (codes && isSubscribe) line.options.events.onSubscribed?.();
    if (!codes || !isSubscribe || codes.length === given!.length) return toClient.pass(bytes, start, end);
    const answer = packetOf(bytes[start]!, [bytes.subarray(body, payload), Buffer.from(codes)]);
    requireFit(answer, greeting);
    toClient.send(answer);
  };

  const takePong = (bytes: Buffer, start: number, end: number): void => {
    const { pings } = line;
    if (pings.ofClient === 0 && pings.own > 0) {
      pings.own--;
      return;
    }
    if (pings.ofClient > 0) pings.ofClient--;
    toClient.pass(bytes, start, end);
  };

  const takeOther = (bytes: Buffer, start: number, body: number, end: number): void => {
    switch (bytes[start]! & 0xf0) {
      case packetType.suback:
      case packetType.unsuback:
        return takeAnswer(bytes, start, body, end);
      case packetType.pingresp:
        return takePong(bytes, start, end);
      case packetType.disconnect:
        toClient.pass(bytes, start, end);
        toClient.flush();
        return line.leave('the broker disconnected');
      case packetType.connack:
        throw new MqttFault(reason.unspecified, 'the broker sent a second CONNACK');
      default:
        return takeAcknowledgement(bytes, start, body, end);
    }
  };

  return {
    take(bytes, start, body, end) {
      if ((bytes[start]! & 0xf0) === packetType.publish) {
        const judged = judge(bytes, start, body, end);
        if (judged.allowed) toClient.pass(bytes, start, end);
        else refuse(judged);
      } else takeOther(bytes, start, body, end);
      return !line.brokerFlow.isHeld();
    },

    begin(bytes, body) {
      const judged = judge(bytes, 0, body, bytes.length);
      if (!judged.allowed) {
        refuse(judged);
        return false;
      }
      toClient.send(bytes);
      return true;
    },

    follow(bytes, isLast) {
      toClient.send(bytes);
      if (isLast) line.flushTold();
    },

    rest: () => toClient.flush(),
  };
}
