import { dataEnd, readLong, readShort, readVarint, textEnd, widthOf } from './fields.js';
import { MqttFault, reason } from './reason-codes.js';

/** Identifiers of the properties that are looked at (MQTT 5.0 §2.2.2.2). */
export const property = {
  contentType: 0x03,
  responseTopic: 0x08,
  subscriptionId: 0x0b,
  sessionExpiry: 0x11,
  serverKeepAlive: 0x13,
  method: 0x15,
  methodData: 0x16,
  willDelay: 0x18,
  reasonString: 0x1f,
  receiveMaximum: 0x21,
  topicAliasMaximum: 0x22,
  topicAlias: 0x23,
  userProperty: 0x26,
  maximumPacketSize: 0x27,
} as const;

/** Where properties stand. What a client publishes has other ones than what a broker delivers. */
export const holder = {
  connect: 1,
  will: 2,
  connack: 4,
  publish: 8,
  delivery: 16,
  acknowledgement: 32,
  subscribe: 64,
  unsubscribe: 128,
  disconnect: 256,
  brokerDisconnect: 512,
  auth: 1024,
} as const;

type Kind = 'flag' | 'short' | 'long' | 'varint' | 'text' | 'data' | 'pair';
type Rule = { kind: Kind; holders: number; repeats: boolean; positive: boolean };

const { connect, will, connack, publish, delivery, acknowledgement, subscribe, disconnect } = holder;
const message = will | publish | delivery;
const everywhere = 2047;

const rules: (Rule | undefined)[] = Array.from({ length: 128 }, () => undefined);

function define(id: number, kind: Kind, holders: number, { repeats = false, positive = false } = {}): void {
  rules[id] = { kind, holders, repeats, positive };
}

define(0x01, 'flag', message);
define(0x02, 'long', message);
define(property.contentType, 'text', message);
define(property.responseTopic, 'text', message);
define(0x09, 'data', message);
define(property.subscriptionId, 'varint', subscribe | delivery, { repeats: true, positive: true });
define(property.sessionExpiry, 'long', connect | connack | disconnect);
define(0x12, 'text', connack);
define(property.serverKeepAlive, 'short', connack);
define(property.method, 'text', connect | connack | holder.auth);
define(property.methodData, 'data', connect | connack | holder.auth);
define(0x17, 'flag', connect);
define(property.willDelay, 'long', will);
define(0x19, 'flag', connect);
define(0x1a, 'text', connack);
define(0x1c, 'text', connack | holder.brokerDisconnect);
define(property.reasonString, 'text', connack | acknowledgement | disconnect | holder.brokerDisconnect | holder.auth);
define(property.receiveMaximum, 'short', connect | connack, { positive: true });
define(property.topicAliasMaximum, 'short', connect | connack);
define(property.topicAlias, 'short', publish | delivery, { positive: true });
define(0x24, 'flag', connack);
define(0x25, 'flag', connack);
define(0x26, 'pair', everywhere, { repeats: true });
define(property.maximumPacketSize, 'long', connect | connack, { positive: true });
define(0x28, 'flag', connack);
define(0x29, 'flag', connack);
define(0x2a, 'flag', connack);

/** Where the value of each property begins that the last block had; 0 where it had none. Overwritten by the next block. */
export const found = new Int32Array(128);

/**
 * Checks a block of properties whose length is at `at`, fills {@link found}, and returns where the block ends.
 * @throws MqttFault for a property that is unknown, out of place, repeated, or ends outside of the block
 */
export function readProperties(bytes: Uint8Array, at: number, end: number, of: number): number {
  const length = readVarint(bytes, at, end);
  let next = at + widthOf(length);
  const blockEnd = next + length;
  if (blockEnd > end) throw new MqttFault(reason.malformed, 'properties end outside of their packet');
  found.fill(0);
  while (next < blockEnd) {
    const id = readVarint(bytes, next, blockEnd);
    const rule = ruleOf(id, of);
    if (found[id]! > 0 && !isRepeatable(id, rule, of))
      throw new MqttFault(reason.protocolError, `property ${id} is repeated`);
    found[id] = next + 1;
    next = valueEnd(bytes, next + 1, blockEnd, rule.kind);
    checkValue(bytes, id, rule);
  }
  return blockEnd;
}

function ruleOf(id: number, of: number): Rule {
  const rule = id < rules.length ? rules[id] : undefined;
  if (rule && (rule.holders & of) !== 0) return rule;
  // MQTT-3.3.4-6 names this one.
  const code = id === property.subscriptionId && of === publish ? reason.protocolError : reason.malformed;
  throw new MqttFault(code, `property ${id} does not belong here`);
}

/** A subscription has one identifier; a delivery has one for each subscription that it meets. */
const isRepeatable = (id: number, { repeats }: Rule, of: number): boolean =>
  repeats && (id !== property.subscriptionId || of === delivery);

/** Where a value ends. @throws MqttFault when that is outside of the block */
function valueEnd(bytes: Uint8Array, at: number, end: number, kind: Kind): number {
  switch (kind) {
    case 'flag':
      if (at >= end) throw new MqttFault(reason.malformed, 'a property ends outside of its block');
      return at + 1;
    case 'short':
      readShort(bytes, at, end);
      return at + 2;
    case 'long':
      readLong(bytes, at, end);
      return at + 4;
    case 'varint':
      return at + widthOf(readVarint(bytes, at, end));
    case 'text':
      return textEnd(bytes, at, end);
    case 'data':
      return dataEnd(bytes, at, end);
    case 'pair':
      return textEnd(bytes, textEnd(bytes, at, end), end);
  }
}

function checkValue(bytes: Uint8Array, id: number, { kind, positive }: Rule): void {
  const at = found[id]!;
  if (kind === 'flag' && bytes[at]! > 1) throw new MqttFault(reason.protocolError, `property ${id} is neither 0 nor 1`);
  if (!positive) return;
  const width = kind === 'long' ? 4 : kind === 'short' ? 2 : 1;
  for (let octet = 0; octet < width; octet++) if (bytes[at + octet] !== 0) return;
  throw new MqttFault(id === property.topicAlias ? reason.aliasInvalid : reason.protocolError, `property ${id} is 0`);
}

/** The properties of a block that was checked, without those named: the octets that follow the new length. */
export function withoutProperties(bytes: Buffer, at: number, end: number, names: readonly number[]): Buffer[] {
  const kept: Buffer[] = [];
  const length = readVarint(bytes, at, end);
  let from = at + widthOf(length);
  const blockEnd = from + length;
  for (let next = from; next < blockEnd;) {
    const id = bytes[next]!;
    const after = valueEnd(bytes, next + 1, blockEnd, rules[id]!.kind);
    if (names.includes(id)) {
      if (from < next) kept.push(bytes.subarray(from, next));
      from = after;
    }
    next = after;
  }
  if (from < blockEnd) kept.push(bytes.subarray(from, blockEnd));
  return kept;
}
