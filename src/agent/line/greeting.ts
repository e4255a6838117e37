import { readLong, readShort } from '../../edge/mqtt-packets/fields.js';
import { found, holder, property, readProperties } from '../../edge/mqtt-packets/properties.js';

/** What the other side says in its CONNACK (MQTT 5.0 §3.2.2). */
export type Greeting = {
  /** 0 when it lets the device in. */
  code: number;
  /** How many messages of QoS 1 it takes before it has acknowledged one. */
  receiveMaximum: number;
  /** The largest packet that it takes. */
  packetBytes: number;
  /** Seconds; undefined for those that were asked for. */
  keepAlive: number | undefined;
};

/** Reads a CONNACK. @throws MqttFault, or Error where its length is another */
export function readConnack(bytes: Buffer, body: number, end: number): Greeting {
  const code = readShort(bytes, body, end) & 0xff;
  // Who speaks no MQTT 5 answers in the form of MQTT 3.
  if (end === body + 2 && code !== 0) return { ...plain, code };
  if (readProperties(bytes, body + 2, end, holder.connack) !== end) throw new Error('a CONNACK of another length');
  const short = (id: number): number | undefined => (found[id] === 0 ? undefined : readShort(bytes, found[id]!, end));
  const size = found[property.maximumPacketSize]!;
  return {
    code,
    receiveMaximum: short(property.receiveMaximum) ?? plain.receiveMaximum,
    packetBytes: size === 0 ? plain.packetBytes : readLong(bytes, size, end),
    keepAlive: short(property.serverKeepAlive),
  };
}

const plain = {
  receiveMaximum: 65_535,
  packetBytes: 268_435_455,
  keepAlive: undefined,
};
