/** The last day of each line of Node, by https://github.com/nodejs/release: look again when a line is added. */
const lastDays: Record<number, string> = {
  20: '2026-04-30',
  21: '2024-06-01',
  22: '2027-04-30',
  23: '2025-06-01',
  24: '2028-04-30',
  25: '2026-06-01',
  26: '2029-04-30',
};

/** The line that new installations are told to take: the one that is maintained for the longest time. */
export const recommendedNode = 24;

/** A line that says that this Node gets no more security fixes, and what to do. None for a line that is maintained or not known. */
export function endedNode(version: string, now: Date): string[] {
  const last = lastDays[Number(version.split('.', 1)[0])];
  if (last === undefined || now <= new Date(`${last}T23:59:59Z`)) return [];
  return [`Node ${version} has had no security fixes since ${last}: install Node ${recommendedNode} and start again`];
}
