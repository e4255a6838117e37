import { isWithin, parseAddress, parseRange, withoutPort, type Address, type AddressRange } from '../address.js';
import { protocols, type Condition } from './document.js';
import { compileTimeWindows, type TimeWindows } from './time/window.js';
import type { Principal } from './variables.js';

/** What a question says besides principal, action and resource. */
export type Context = {
  sourceIp?: string | undefined;
  protocol?: string | undefined;
  clientId?: string | undefined;
  /** Some brokers write every value as text. */
  retain?: boolean | string | undefined;
  qos?: number | string | undefined;
};

/** A condition, ready to be asked. The windows apart, because time alone changes an answer later. */
export type CompiledCondition = {
  timeWindows: TimeWindows | undefined;
  members: readonly Member[];
};

/** One member of a condition: true, false, or undefined when its input is absent or malformed. */
type Member = { name: string; holds(context: Context, principal: Principal): boolean | undefined };

type WindowsOf = (windows: NonNullable<Condition['timeWindows']>) => TimeWindows;

/** @throws RangeError for an unknown time zone or a range that is none */
export function compileCondition(
  condition: Condition,
  windowsOf: WindowsOf = (windows) => compileTimeWindows(windows),
): CompiledCondition {
  const { timeWindows, sourceCidrs, protocols: named, attributes, retain, qos } = condition;
  return {
    timeWindows: timeWindows && windowsOf(timeWindows),
    members: [
      ...(sourceCidrs ? [fromSource(sourceCidrs)] : []),
      ...(named ? [byProtocol(named)] : []),
      ...Object.entries(attributes ?? {}).map(([name, allowed]) => withAttribute(name, allowed)),
      ...(retain === undefined ? [] : [withRetain(retain)]),
      ...(qos ? [withQos(qos)] : []),
    ],
  };
}

/** The first member that does not hold; an absent or malformed input fails an allow and holds in a deny. */
export function failingMember(
  { members }: CompiledCondition,
  denies: boolean,
  context: Context,
  principal: Principal,
): Member | undefined {
  for (const member of members) {
    if (!(member.holds(context, principal) ?? denies)) return member;
  }
  return undefined;
}

/** The protocol of a context in lower case; undefined when it is absent or unknown. */
export function protocolOf({ protocol }: Context): string | undefined {
  if (typeof protocol !== 'string') return undefined;
  const known: readonly string[] = protocols;
  if (known.includes(protocol)) return protocol;
  const lower = protocol.toLowerCase();
  return known.includes(lower) ? lower : undefined;
}

/** True when the source of a context lies in one of the ranges; undefined when it is absent or malformed. */
export function isFrom(ranges: readonly AddressRange[], { sourceIp }: Context): boolean | undefined {
  const address = typeof sourceIp === 'string' ? parseAddress(withoutPort(sourceIp)) : undefined;
  return address && ranges.some((range) => isWithin(address satisfies Address, range));
}

/** @throws RangeError */
export function compileRange(cidr: string): AddressRange {
  const range = parseRange(cidr);
  if (!range) throw new RangeError(`${cidr} is not an address range such as 10.0.0.0/8 or 2001:db8::/32`);
  return range;
}

function fromSource(cidrs: string[]): Member {
  const ranges = cidrs.map(compileRange);
  return { name: 'sourceCidrs', holds: (context) => isFrom(ranges, context) };
}

function byProtocol(names: string[]): Member {
  const allowed = new Set(names.map((name) => name.toLowerCase()));
  return {
    name: 'protocols',
    holds(context) {
      const protocol = protocolOf(context);
      return protocol === undefined ? undefined : allowed.has(protocol);
    },
  };
}

function withAttribute(name: string, values: string[]): Member {
  const allowed = new Set(values);
  return {
    name: `attributes.${name}`,
    holds: (_context, { attributes }) => (Object.hasOwn(attributes, name) ? allowed.has(attributes[name]!) : undefined),
  };
}

function withRetain(wanted: boolean): Member {
  return {
    name: 'retain',
    holds({ retain }) {
      if (typeof retain === 'boolean') return retain === wanted;
      return retain === 'true' || retain === 'false' ? (retain === 'true') === wanted : undefined;
    },
  };
}

function withQos(levels: number[]): Member {
  return {
    name: 'qos',
    holds({ qos }) {
      const level = qos === '0' || qos === '1' || qos === '2' ? Number(qos) : qos;
      return level === 0 || level === 1 || level === 2 ? levels.includes(level) : undefined;
    },
  };
}
