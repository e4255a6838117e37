import type { Result } from './runner.js';

/** What the edge holds devices to in CONNACK, whatever the broker offers. */
const most = { packet: 262_144, aliases: 16 };
const longestTopic = 65_535;
// With less than this for a packet, the edge offers no aliases.
const leastPacket = 16_384;

/**
 * The line that stands for a CONNACK of the broker once the edge has lowered what it offers. Every other line stays. Only MQTT 5 has
 * properties there.
 */
export function lowered(line: string): string {
  const [, before, properties = ''] = /^(\S+ CONNACK 0x00 present=[01])(?: \{(.*)\})?$/.exec(line) ?? [];
  if (before === undefined) return line;
  const offered = new Map(properties.split(' ').map((each) => each.split('=', 2) as [string, string]));
  const ofBroker = Number(offered.get('packet') ?? Infinity);
  const aliases =
    ofBroker - longestTopic < leastPacket ? 0 : Math.min(Number(offered.get('aliases') ?? 0), most.aliases);
  offered.delete('');
  offered.delete('aliases');
  if (aliases > 0) offered.set('aliases', String(aliases));
  offered.set('packet', String(Math.min(most.packet, aliases > 0 ? ofBroker - longestTopic : ofBroker)));
  const kept = [...offered].map(([name, value]) => `${name}=${value}`).sort();
  return `${before} {${kept.join(' ')}}`;
}

/** What one result has and the other has not: `-` without the edge, `+` with it. Lines that are there twice count twice. */
export function differenceOf(direct: readonly string[], through: readonly string[]): string[] {
  const missing = subtract(direct, through).map((line) => `- ${line}`);
  return [...missing, ...subtract(through, direct).map((line) => `+ ${line}`)];
}

function subtract(lines: readonly string[], other: readonly string[]): string[] {
  const left = [...other];
  return lines.filter((line) => {
    const at = left.indexOf(line);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

/** The differences of all cases that have one. */
export function differencesOf(
  direct: ReadonlyMap<string, Result>,
  through: ReadonlyMap<string, Result>,
): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const [name, { lines }] of direct) {
    const difference = differenceOf(lines.map(lowered), through.get(name)?.lines ?? []);
    if (difference.length > 0) found[name] = difference;
  }
  return found;
}
