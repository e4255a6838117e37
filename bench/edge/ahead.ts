import type { HeldSocket } from '../../test/support/edge/socket-table.js';
import type { CutOffFleet, Session } from './fleet.js';

type PostClaim = { post: number; held: HeldSocket[] };

/** Whether an edge claimed to enforce a change while it held a socket to a device, or one to the broker, that the change ends. */
export function isAhead(
  fleet: CutOffFleet,
  { post, held }: PostClaim,
  affected: Session[],
  staying: number[],
): boolean {
  const { ports, brokerPort } = fleet.posts[post]!;
  const ends = new Set(affected.filter((each) => each.post === post).map(({ live }) => live.localPort));
  const toDevices = held.filter(
    ({ local, remote }) => (local === ports.mqtts || local === ports.mqtt) && ends.has(remote),
  );
  const toBroker = held.filter(({ remote }) => remote === brokerPort);
  return toDevices.length > 0 || toBroker.length > staying[post]!;
}
