/** Packet types (MQTT 5.0 §2.1.2), in the upper half of the first octet. */
export const packetType = {
  connect: 0x10,
  connack: 0x20,
  publish: 0x30,
  puback: 0x40,
  pubrec: 0x50,
  pubrel: 0x60,
  pubcomp: 0x70,
  subscribe: 0x80,
  suback: 0x90,
  unsubscribe: 0xa0,
  unsuback: 0xb0,
  pingreq: 0xc0,
  pingresp: 0xd0,
  disconnect: 0xe0,
  auth: 0xf0,
} as const;

/** 3 is MQTT 3.1, 4 is 3.1.1, 5 is 5.0: the level that CONNECT names. */
export type Version = 3 | 4 | 5;

/** 1 where an octet may begin a packet. */
export type FirstOctets = Readonly<Uint8Array>;

// DUP of QoS 0 (MQTT-3.3.1-2) and QoS 3 (MQTT-3.3.1-4) are malformed.
const publishes = [0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x3a, 0x3b, 0x3c, 0x3d];
const acknowledgements = [0x40, 0x50, 0x62, 0x70];
// In MQTT 3.1 these can be repeated, and say so.
const repeated = [0x6a, 0x8a, 0xaa];

function table(octets: readonly number[]): FirstOctets {
  const firsts = new Uint8Array(256);
  for (const octet of octets) firsts[octet] = 1;
  return firsts;
}

/** What the first packet of a client begins with. */
export const firstOfConnect = table([packetType.connect]);

const fromClient = [...publishes, ...acknowledgements, 0x82, 0xa2, 0xc0, 0xe0];
const fromBroker = [0x20, ...publishes, ...acknowledgements, 0x90, 0xb0, 0xd0];

const clientFirsts = {
  3: table([...fromClient, ...repeated]),
  4: table(fromClient),
  5: table([...fromClient, packetType.auth]),
};
const brokerFirsts = {
  3: table([...fromBroker, 0x6a]),
  4: table(fromBroker),
  5: table([...fromBroker, packetType.disconnect]),
};

/** First octets that a client may send after CONNECT. */
export const firstsOfClient = (version: Version): FirstOctets => clientFirsts[version];

/** First octets that a broker may send. */
export const firstsOfBroker = (version: Version): FirstOctets => brokerFirsts[version];
