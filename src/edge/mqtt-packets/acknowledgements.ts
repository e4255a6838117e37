import { readPacketId } from './fields.js';
import { packetType, type Version } from './packet-types.js';
import { found, holder, property, readProperties } from './properties.js';
import { MqttFault, reason } from './reason-codes.js';

const ofReceipt = new Set([0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]);
const ofRelease = new Set<number>([reason.success, reason.idNotFound]);

/** A PUBACK, PUBREC, PUBREL or PUBCOMP. */
export type Acknowledgement = { id: number; code: number };

/** Reads a PUBACK, PUBREC, PUBREL or PUBCOMP of either side. @throws MqttFault */
export function readAcknowledgement(
  bytes: Buffer,
  start: number,
  body: number,
  end: number,
  version: Version,
  into: Acknowledgement,
): void {
  into.id = readPacketId(bytes, body, end);
  into.code = 0;
  if (end === body + 2) return;
  if (version < 5) throw new MqttFault(reason.malformed, 'an acknowledgement has octets after its packet identifier');
  const type = bytes[start]! & 0xf0;
  const codes = type === packetType.puback || type === packetType.pubrec ? ofReceipt : ofRelease;
  into.code = readTail(bytes, body + 2, end, codes, holder.acknowledgement);
}

const ofDisconnect = new Set([0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99]);

/** A DISCONNECT of a client. `sessionExpiry` is undefined where it names none. */
export type Disconnect = { code: number; sessionExpiry: number | undefined };

/** Reads a DISCONNECT of a client. @throws MqttFault */
export function readDisconnect(bytes: Buffer, body: number, end: number, version: Version): Disconnect {
  if (body === end) return { code: 0, sessionExpiry: undefined };
  if (version < 5) throw new MqttFault(reason.malformed, 'DISCONNECT has a body');
  const code = readTail(bytes, body, end, ofDisconnect, holder.disconnect);
  const at = end > body + 1 ? found[property.sessionExpiry]! : 0;
  return { code, sessionExpiry: at === 0 ? undefined : bytes.readUInt32BE(at) };
}

/** An AUTH of a client (MQTT 5.0 §3.15). */
export type Auth = { code: number; method: string | undefined; data: string | undefined };

const ofAuth = new Set([0x18, 0x19]);

/** Reads an AUTH of a client. @throws MqttFault */
export function readAuth(bytes: Buffer, body: number, end: number): Auth {
  // Without a body it would mean success, which a client cannot say.
  if (body === end) throw new MqttFault(reason.protocolError, 'AUTH of a client has no reason code');
  const code = readTail(bytes, body, end, ofAuth, holder.auth);
  const textOf = (id: number): string | undefined => {
    const at = end > body + 1 ? found[id]! : 0;
    return at === 0 ? undefined : bytes.toString('utf8', at + 2, at + 2 + bytes.readUInt16BE(at));
  };
  return { code, method: textOf(property.method), data: textOf(property.methodData) };
}

/** A reason code, and properties where there are any: what acknowledgements, DISCONNECT and AUTH end with. */
function readTail(bytes: Buffer, at: number, end: number, codes: ReadonlySet<number>, of: number): number {
  const code = bytes[at]!;
  if (!codes.has(code)) throw new MqttFault(reason.protocolError, `reason code ${code} is not one of this packet`);
  if (end > at + 1 && readProperties(bytes, at + 1, end, of) !== end)
    throw new MqttFault(reason.malformed, 'a packet has octets after its properties');
  return code;
}
