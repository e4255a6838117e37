import { packedZones, release } from './zone-data.js';
import { readZoneRule, type ZoneRule } from './zone-rule.js';

/** A stretch of the UTC line, in milliseconds, on which a zone keeps one offset: `from` <= t < `until`. */
type Span = { from: number; until: number; offset: number };

/** A time zone of the IANA database. */
export type Zone = { spanAt(at: number): Span };

/** Where each name is packed, by the name in lower case: no more than the database has, however names are spelled. */
const places = new Map<string, { name: string; packed: string }>();
for (const packed of packedZones.join(';').split(';')) {
  for (const name of packed.slice(0, packed.indexOf('|')).split(',')) places.set(name.toLowerCase(), { name, packed });
}

// By what is packed, so that all names of a zone share it.
const zones = new Map<string, Zone>();

/** The release of the IANA time zone database that decisions use, such as `2026a`. */
export function zoneDataVersion(): string {
  return release.version;
}

/** How old that release is at an instant, in whole days. */
export function zoneDataAge(now: Date): number {
  return Math.floor((now.getTime() - Date.parse(release.date)) / 86_400_000);
}

/** Every name that a zone has, as the database spells them. */
export function zoneNames(): string[] {
  return [...places.values()].map(({ name }) => name);
}

/** A name as the database spells it; the text itself when it is no zone. */
export function spellZone(name: string): string {
  return places.get(name.toLowerCase())?.name ?? name;
}

/** The zone of this name, in upper or lower case. @throws RangeError for names that the database does not have */
export function zoneOf(name: string): Zone {
  const place = places.get(name.toLowerCase());
  if (!place)
    throw new RangeError(`the time zone ${name} is not in the IANA database: write one such as Europe/Berlin`);
  const known = zones.get(place.packed);
  if (known) return known;
  const zone = createZone(place.packed);
  zones.set(place.packed, zone);
  return zone;
}

type Timeline = {
  /** When the offset changes, as far as that is listed, and to what. */
  instants: number[];
  offsets: number[];
  first: number;
  /** What continues after `listedUntil`. */
  rule: ZoneRule | undefined;
  listedUntil: number;
};

function createZone(packed: string): Zone {
  const timeline = unpack(packed);
  // Most questions are about the present.
  let span = readSpan(timeline, 0);
  return {
    spanAt(at) {
      if (!(at >= span.from && at < span.until)) span = readSpan(timeline, at);
      return span;
    },
  };
}

function unpack(packed: string): Timeline {
  const [, footer = '', kinds = '', transitions = ''] = packed.split('|');
  const known = kinds.split(',').map((offset) => parseInt(offset, 36) * 1000);
  const tokens = transitions === '' ? [] : transitions.split(' ');
  let listedUntil = -Infinity;
  const instants: number[] = [];
  const offsets: number[] = [];
  for (const token of tokens) {
    const since = parseInt(token.slice(0, -1), 36) * 1000;
    listedUntil = listedUntil === -Infinity ? since : listedUntil + since;
    const offset = known[parseInt(token.slice(-1), 36)]!;
    // The last one may only say from when the rule counts.
    if (offset === (offsets.at(-1) ?? known[0])) continue;
    instants.push(listedUntil);
    offsets.push(offset);
  }
  return { instants, offsets, first: known[0]!, rule: readZoneRule(footer), listedUntil };
}

function readSpan(timeline: Timeline, at: number): Span {
  const { instants, offsets, first, rule } = timeline;
  const count = countUpTo(instants, at);
  const from = instants[count - 1] ?? -Infinity;
  const offset = offsets[count - 1] ?? first;
  if (count < instants.length || !rule) return { from, until: instants[count] ?? Infinity, offset };
  return readRuledSpan(rule, timeline.listedUntil, { from, offset }, at);
}

/** A span that ends where a rule says so. */
function readRuledSpan(rule: ZoneRule, listedUntil: number, last: { from: number; offset: number }, at: number): Span {
  const year = new Date(Math.max(at, listedUntil)).getUTCFullYear();
  let { from, offset } = last;
  for (const change of [year - 1, year, year + 1].flatMap(rule.transitionsOf)) {
    // Beyond what a Date can say there are no changes.
    if (!(change.at > listedUntil) || change.offset === offset) continue;
    if (change.at > at) return { from, until: change.at, offset };
    from = change.at;
    offset = change.offset;
  }
  return { from, until: Infinity, offset };
}

/** How many of some rising instants are not after `at`. */
function countUpTo(instants: number[], at: number): number {
  let [low, high] = [0, instants.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (instants[middle]! <= at) low = middle + 1;
    else high = middle;
  }
  return low;
}
