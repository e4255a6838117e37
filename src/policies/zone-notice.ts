import type { Clock } from '../clock.js';
import { zoneDataAge, zoneDataVersion } from '../policy/time/zone.js';

// IANA publishes several releases a year: half a year without one means that nobody updates this server.
const oldDays = 183;

/** Warns when the time zones that policies use are more than six months old. */
export function noticeOldZones(warn: (fields: object, message: string) => void, clock: Clock): void {
  const age = zoneDataAge(clock());
  if (age <= oldDays) return;
  const zoneData = zoneDataVersion();
  warn(
    { zoneData, ageDays: age },
    `the time zone data is ${zoneData}, ${age} days old: time windows may be wrong where clocks have changed since; update Thingward`,
  );
}
