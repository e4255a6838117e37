import { startRelay, type Relay } from './relay.js';
import { heldSockets, type HeldSocket } from './socket-table.js';

/** An edge says that it enforces the log up to a position, and what the kernel shows of its sockets at that moment. */
export type Claim = { position: number; at: number; held: HeldSocket[] };

/** What stands between an edge and the server, and keeps what the edge claims. */
export type TruthRelay = Relay & {
  claims(): Claim[];
  /** Forgets what was claimed. */
  forget(): void;
  /** Whether the kernel is asked at each claim, which takes some milliseconds. */
  ask(whether: boolean): void;
};

const claim = /"enforced":"[0-9a-f-]{36}:(\d+)"/g;
const overlap = 128;

/**
 * Stands between an edge and the server. At each report that claims `enforced`, before a word of it passes, the kernel is asked
 * which sockets are held: what the claim contradicts is seen however soon after it is gone.
 */
export async function startTruthRelay(serverPort: number): Promise<TruthRelay> {
  const tails = new WeakMap<object, string>();
  let claims: Claim[] = [];
  let last = -1;
  let isAsking = true;

  const watch = (octets: Buffer, direction: 'up' | 'down', connection: object): void => {
    if (direction === 'down') return;
    const text = (tails.get(connection) ?? '') + octets.toString('latin1');
    tails.set(connection, text.slice(-overlap));
    for (const [, found] of text.matchAll(claim)) {
      const position = Number(found);
      if (position === last) continue;
      last = position;
      claims.push({ position, at: performance.now(), held: isAsking ? heldSockets() : [] });
    }
  };
  const relay = await startRelay(serverPort, watch);
  return {
    ...relay,
    claims: () => claims,
    forget: () => void (claims = []),
    ask: (whether) => void (isAsking = whether),
  };
}
