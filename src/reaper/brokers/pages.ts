import type { LiveSession } from './broker.js';
import { BrokerError } from './broker.js';

/** One page of a listing: its sessions, how many the listing has, and whether another page follows. */
export type Page = { sessions: LiveSession[]; total: number; hasMore: boolean };

// A page may shift while the ones before it are read.
const mostReadings = 3;

/**
 * All pages of a listing whose pages shift when sessions come and go. It is read again while its total changed meanwhile, a few times.
 * @throws BrokerError where it has more sessions than it may
 */
export async function* stablePages(
  most: number,
  read: (page: number) => Promise<Page>,
): AsyncGenerator<LiveSession[], void> {
  for (let reading = 1; ; reading++) {
    const pages: LiveSession[][] = [];
    const totals = new Set<number>();
    let found = 0;
    for (let number = 1, hasMore = true; hasMore; number++) {
      const page = await read(number);
      found += page.sessions.length;
      if (page.total > most || found > most) throw tooMany(most);
      totals.add(page.total);
      pages.push(page.sessions);
      hasMore = page.hasMore && page.sessions.length > 0;
    }
    if (totals.size <= 1 || reading === mostReadings) return void (yield* pages);
  }
}

/** Said of a broker whose listing is longer than the reaper may read. */
export const tooMany = (most: number): BrokerError =>
  new BrokerError(`it has more than ${most} sessions: raise limits.sessions`);
