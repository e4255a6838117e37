/** What a year brings in a zone once no more transitions are listed, in milliseconds. */
export type ZoneRule = {
  /** The transitions of a year of the UTC calendar's count, in order. */
  transitionsOf(year: number): { at: number; offset: number }[];
};

/** A day and time of a year, in milliseconds from its start, by the wall clock. */
type YearDay = (year: number) => number;

const msPerDay = 86_400_000;
const msPerHour = 3_600_000;

// Two abbreviations, each with an offset (the second may lack it), and the dates on which they change.
const footer =
  /^(?:[A-Za-z]{3,8}|<[A-Za-z0-9+-]{3,8}>)([+-]?\d{1,3}(?::\d\d){0,2})(?:[A-Za-z]{3,8}|<[A-Za-z0-9+-]{3,8}>)([+-]?\d{1,3}(?::\d\d){0,2})?,([^,]+),([^,]+)$/;

/** Reads the footer of a zone (RFC 9636 §3.3, a `TZ` string of POSIX); undefined when it always has the same offset. */
export function readZoneRule(text: string): ZoneRule | undefined {
  const [, standard, daylight, start, end] = footer.exec(text) ?? [];
  if (standard === undefined) return undefined;
  // West of Greenwich is positive there.
  const offset = -readTime(standard);
  const summer = daylight === undefined ? offset + msPerHour : -readTime(daylight);
  const [begins, ends] = [readDate(start!), readDate(end!)];
  return {
    transitionsOf(year) {
      const newYear = startOf(year);
      const changes = [
        { at: newYear + begins(year) - offset, offset: summer },
        { at: newYear + ends(year) - summer, offset },
      ];
      return changes.sort((one, other) => one.at - other.at);
    },
  };
}

/** Midnight of the first of January; Date.UTC takes the years 0 to 99 for those of a century. */
function startOf(year: number): number {
  return new Date(0).setUTCFullYear(year, 0, 1);
}

function readTime(text: string): number {
  const [hours = '0', minutes = '0', seconds = '0'] = text.replace(/^[+-]/, '').split(':');
  const ms = (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1000;
  return text.startsWith('-') ? -ms : ms;
}

function readDate(text: string): YearDay {
  const [day = '', at = '2'] = text.split('/');
  const ms = readTime(at);
  if (day.startsWith('M')) {
    const [month, week, weekday] = day.slice(1).split('.').map(Number) as [number, number, number];
    return (year) => dayOfMonth(year, month, week, weekday) * msPerDay + ms;
  }
  if (!day.startsWith('J')) return () => Number(day) * msPerDay + ms;
  // Jn never counts the 29th of February.
  const number = Number(day.slice(1));
  return (year) => (number - 1 + (number >= 60 && isLeap(year) ? 1 : 0)) * msPerDay + ms;
}

/** The day of the year, from 0, that is the n-th weekday of a month; the fifth is the last. */
function dayOfMonth(year: number, month: number, week: number, weekday: number): number {
  const first = new Date(0).setUTCFullYear(year, month - 1, 1);
  const length = (new Date(0).setUTCFullYear(year, month, 1) - first) / msPerDay;
  let day = ((weekday - new Date(first).getUTCDay() + 7) % 7) + (week - 1) * 7;
  if (day >= length) day -= 7;
  return (first - startOf(year)) / msPerDay + day;
}

function isLeap(year: number): boolean {
  return (startOf(year + 1) - startOf(year)) / msPerDay === 366;
}
