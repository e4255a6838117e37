import mqttPacket from 'mqtt-packet';

/** What a second parser makes of octets: its packets, and what it stumbles over. */
export type Read = { packets: mqttPacket.Packet[]; error: string | undefined; rest: number };

/**
 * Reads octets with `mqtt-packet` 9.0.2. What is known to be wrong with it: it reads past a DISCONNECT of MQTT 5 without a body
 * into the next packet; it takes U+0000 and turns octets that are no UTF-8 into others; it takes repeated properties; it takes
 * properties that do not belong to a packet; it takes lengths in forms longer than needed; it refuses DUP on what MQTT 3.1 repeats.
 */
export function readByOracle(bytes: Buffer, version: number): Read {
  const packets: mqttPacket.Packet[] = [];
  let error: string | undefined;
  let isKnown = false;
  const parser = mqttPacket.parser({ protocolVersion: version });
  parser.on('packet', (packet) => packets.push(packet));
  parser.on('error', (fault: Error) => {
    if (version === 3 && fault.message.includes('must be 0x2')) isKnown = true;
    else error ??= fault.message;
  });
  let rest = 0;
  try {
    rest = parser.parse(bytes);
  } catch (fault) {
    error ??= String(fault);
  }
  return { packets, error, rest: isKnown ? 0 : rest };
}
