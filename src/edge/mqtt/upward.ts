import {
  readAcknowledgement,
  readAuth,
  readDisconnect,
  type Acknowledgement,
} from '../mqtt-packets/acknowledgements.js';
import type { FrameTaker } from '../mqtt-packets/frames.js';
import { packetType } from '../mqtt-packets/packet-types.js';
import { MqttFault, reason } from '../mqtt-packets/reason-codes.js';
import { acknowledgement } from '../mqtt-packets/write.js';
import { longestWaitMs } from './limits.js';
import type { Line } from './line.js';
import { createPublishing } from './publishing.js';
import { reauthenticate } from './reauthentication.js';
import { createSubscribing } from './subscribing.js';

/** Takes what a client sends after CONNECT: what it may send goes to the broker, as the octets that were judged. */
export function createUpward(line: Line): Pick<FrameTaker, 'take' | 'rest'> {
  const { greeting, rights, toBroker, clientFlow } = line;
  const { version, will } = greeting;
  const acknowledged: Acknowledgement = { id: 0, code: 0 };
  const takePublish = createPublishing(line);
  const { subscribe, unsubscribe } = createSubscribing(line);

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
