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
  const { brokerPort } = fleet.posts[post]!;
  const ends = new Set(
    affected.filter((each) => each.post === post).map(({ live }) => `${live.port} ${live.localPort}`),
  );
  const toDevices = held.filter(({ local, remote }) => ends.has(`${local} ${remote}`));
  const toBroker = held.filter(({ remote }) => remote === brokerPort);
  return toDevices.length > 0 || toBroker.length > staying[post]!;
}
