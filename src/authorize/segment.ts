import { compileRange, isFrom, protocolOf, type Context } from '../policy/condition.js';
import { protocols as knownProtocols, type Condition } from '../policy/document.js';

/** A network segment as the log and the database report it. */
export type Segment = { name: string; cidr: string; allowedProtocols: readonly string[]; trafficPolicy: object };

/** The same, ready to be asked. */
export type CompiledSegment = {
  /** True when a request comes from its addresses by one of its protocols; what is absent or malformed is outside. */
  holds(context: Context): boolean;
  /** True for one of its protocols. */
  speaks(protocol: string): boolean;
  cidr: string;
  /** The same in the words of a policy. */
  condition: Condition;
  /** The traffic policy as answers show it, JSON. */
  limits: string;
};

const families: Record<string, readonly string[]> = {
  MQTT: ['mqtt', 'mqtts', 'ws', 'wss'],
  HTTP: ['http', 'https'],
  CoAP: ['coap', 'coaps'],
};

/** A segment, ready to be asked whether a context lies in it. The segment was checked when it was stored. */
export function compileSegment({ cidr, allowedProtocols, trafficPolicy }: Segment): CompiledSegment {
  const ranges = [compileRange(cidr)];
  const protocols = new Set(allowedProtocols.flatMap((family) => families[family] ?? []));
  return {
    cidr,
    condition: { sourceCidrs: [cidr], protocols: knownProtocols.filter((name) => protocols.has(name)) },
    speaks: (protocol) => protocols.has(protocol),
    holds: (context) => protocols.has(protocolOf(context) ?? '') && isFrom(ranges, context) === true,
    limits: JSON.stringify(trafficPolicy),
  };
}
