import { Temporal } from 'temporal-polyfill';

/** A stretch of the UTC line, in milliseconds, on which a zone keeps one offset: `from` <= t < `until`. */
export type Span = { from: number; until: number; offset: number };

/** A time zone of the IANA database. */
export type Zone = { spanAt(at: number): Span };

const zones = new Map<string, Zone>();

/** The zone of this name. @throws RangeError for names that the database does not have */
export function zoneOf(name: string): Zone {
  const known = zones.get(name);
  if (known) return known;
  const zone = createZone(name);
  zones.set(name, zone);
  return zone;
}

function createZone(name: string): Zone {
  let span = readSpan(name, 0);
  return {
    spanAt(at) {
      if (at < span.from || at >= span.until) span = readSpan(name, at);
      return span;
    },
  };
}

function readSpan(name: string, at: number): Span {
  // Offsets such as +02:00 are zones to Temporal, but have no rules: a policy must say where it means.
  if (!/^[A-Za-z]/.test(name)) throw unknownZone(name);
  try {
    const local = Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(name);
    return {
      // A transition at this very instant begins the span: the previous one is asked for a millisecond later.
      from: local.add({ milliseconds: 1 }).getTimeZoneTransition('previous')?.epochMilliseconds ?? -Infinity,
      until: local.getTimeZoneTransition('next')?.epochMilliseconds ?? Infinity,
      offset: local.offsetNanoseconds / 1e6,
    };
  } catch {
    throw unknownZone(name);
  }
}

function unknownZone(name: string): RangeError {
  return new RangeError(`the time zone ${name} is not in the IANA database: write one such as Europe/Berlin`);
}
