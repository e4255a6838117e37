import {
  long,
  octets,
  packet,
  properties,
  publish,
  short,
  subscribe,
  text,
  unsubscribe,
  varint,
} from '../edge/packets.js';
import type { ConnectFields, PublishFields } from '../edge/packets.js';

/**
 * Stands in client ids and topics of a case for what makes them its own. The runner puts something of the same length in
 * its place.
 */
export const own = '~~~~~';

/** What a case does, one after another. `who` is one of its connections. */
export type Step =
  | { kind: 'open'; who: string; fields: ConnectFields; more?: Buffer }
  | { kind: 'raw'; who: string; bytes: Buffer; version: 4 | 5 }
  | { kind: 'send'; who: string; bytes: Buffer }
  | { kind: 'see'; who: string; type: string; count: number }
  | { kind: 'acknowledge'; who: string; with: 'PUBACK' | 'PUBREC' | 'PUBCOMP'; more: Buffer }
  | { kind: 'quiet'; who: string }
  | { kind: 'ended'; who: string }
  | { kind: 'cut'; who: string }
  | { kind: 'count'; who: string; type: string }
  | { kind: 'pause'; ms: number };

export type Edition = '3.1' | '3.1.1' | '5.0';

/** One normative statement, and packets that show whether a server does as it says. */
export type Case = {
  name: string;
  /** Its place in the table. */
  number: number;
  edition: Edition;
  statements: readonly string[];
  steps: readonly Step[];
};

type Steps = readonly (Step | Steps)[];

const flat = (steps: Steps): Step[] => steps.flatMap((each) => ('kind' in each ? [each] : flat(each)));

/** A case of statements, which are divided by blanks. */
export const caseOf = (edition: Edition, statements: string, says: string, steps: Steps): Case => ({
  name: `${edition} ${statements}: ${says}`,
  number: 0,
  edition,
  statements: statements.split(' ').map((each) => `${edition} ${each}`),
  steps: flat(steps),
});

/** The same case of MQTT 3.1.1 and of MQTT 5, whose statements have other numbers. */
export const both = (old: string, five: string, says: string, steps: (version: 4 | 5) => Steps): Case[] => [
  caseOf('3.1.1', old, says, steps(4)),
  caseOf('5.0', five, says, steps(5)),
];

const clientId = (who: string): string => `${own}${who}`;

/** Opens a connection, sends CONNECT, and waits for the answer. */
export const join = (who: string, version: 3 | 4 | 5, fields: ConnectFields = {}): Step[] => [
  { kind: 'open', who, fields: { version, clientId: clientId(who), ...fields } },
  see(who, 'CONNACK'),
];

/** The same, where the answer ends the connection. */
export const refused = (who: string, version: 3 | 4 | 5, fields: ConnectFields = {}): Step[] => [
  { kind: 'open', who, fields: { version, clientId: clientId(who), ...fields } },
  ended(who),
];

/** The same with more packets in the same piece, before there is an answer. */
export const joinWith = (who: string, version: 3 | 4 | 5, fields: ConnectFields, ...more: Buffer[]): Step[] => [
  { kind: 'open', who, fields: { version, clientId: clientId(who), ...fields }, more: octets(...more) },
  see(who, 'CONNACK'),
];

/** Opens a connection and sends octets. */
export const raw = (who: string, version: 4 | 5, ...bytes: Buffer[]): Step => ({
  kind: 'raw',
  who,
  bytes: octets(...bytes),
  version,
});

export const send = (who: string, ...bytes: Buffer[]): Step => ({ kind: 'send', who, bytes: octets(...bytes) });

/** Waits until so many more packets of a type came. */
export const see = (who: string, type: string, count = 1): Step => ({ kind: 'see', who, type, count });

/** Waits until what was sent is dealt with, so that what has not come will not come. */
export const quiet = (who: string): Step => ({ kind: 'quiet', who });

/** Waits until the server has ended the connection. */
export const ended = (who: string): Step => ({ kind: 'ended', who });

/** Destroys the connection, as a network that fails. */
export const cut = (who: string): Step => ({ kind: 'cut', who });

/** Notes how many packets of a type have come by now. */
export const count = (who: string, type: string): Step => ({ kind: 'count', who, type });

/** Lets time pass, where a statement is about time. */
export const pause = (ms: number): Step => ({ kind: 'pause', ms });

/** Answers the oldest delivery that this is an answer to, by its packet identifier. What follows it is a reason code and more. */
export const acknowledge = (who: string, by: 'PUBACK' | 'PUBREC' | 'PUBCOMP', ...more: (number | Buffer)[]): Step => ({
  kind: 'acknowledge',
  who,
  with: by,
  more: octets(...more),
});

/** A DISCONNECT, and the end. */
export const leave = (who: string, bytes = packet(0xe0)): Step[] => [send(who, bytes), ended(who)];

/** A SUBSCRIBE of the version, and its answer. */
export const subscribed = (
  who: string,
  version: number,
  filters: readonly (readonly [string, number])[],
  block?: Buffer,
  id = 100,
): Step[] => [send(who, subscribeOf(version, id, filters, block)), see(who, 'SUBACK')];

export const subscribeOf = (
  version: number,
  id: number,
  filters: readonly (readonly [string, number])[],
  block?: Buffer,
): Buffer => subscribe(id, filters, version === 5 ? (block ?? properties()) : undefined);

export const unsubscribeOf = (version: number, id: number, filters: readonly string[], block?: Buffer): Buffer =>
  unsubscribe(id, filters, version === 5 ? (block ?? properties()) : undefined);

export const publishOf = (version: number, topic: string | Buffer, fields: PublishFields = {}): Buffer =>
  publish(topic, version === 5 ? { properties: properties(), ...fields } : fields);

/** A PUBLISH and the packets that its QoS has as answers. */
export const published = (who: string, version: number, topic: string, fields: PublishFields = {}): Step[] => {
  const sent = send(who, publishOf(version, topic, fields));
  if (fields.qos === 1) return [sent, see(who, 'PUBACK')];
  if (fields.qos !== 2) return [sent, quiet(who)];
  return [sent, see(who, 'PUBREC'), send(who, packet(0x62, short(fields.id ?? 1))), see(who, 'PUBCOMP')];
};

/** Properties of MQTT 5. */
export const property = {
  format: (value: number) => octets(0x01, value),
  expiry: (seconds: number) => octets(0x02, long(seconds)),
  content: (value: string | Buffer) => octets(0x03, text(value)),
  response: (topic: string | Buffer) => octets(0x08, text(topic)),
  correlation: (value: Buffer) => octets(0x09, text(value)),
  subscription: (id: number) => octets(0x0b, varint(id)),
  session: (seconds: number) => octets(0x11, long(seconds)),
  method: (name: string) => octets(0x15, text(name)),
  methodData: (value: string) => octets(0x16, text(value)),
  problems: (value: number) => octets(0x17, value),
  willDelay: (seconds: number) => octets(0x18, long(seconds)),
  information: (value: number) => octets(0x19, value),
  reason: (value: string) => octets(0x1f, text(value)),
  receive: (most: number) => octets(0x21, short(most)),
  aliases: (most: number) => octets(0x22, short(most)),
  alias: (value: number) => octets(0x23, short(value)),
  user: (name: string | Buffer, value: string | Buffer) => octets(0x26, text(name), text(value)),
  packet: (most: number) => octets(0x27, long(most)),
};

export { long, octets, packet, properties, short, text, varint };
