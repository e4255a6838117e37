import type { Clock } from '../clock.js';
import type { Changed, StaleStore } from './store.js';

type Deps = { store: Pick<StaleStore, 'last' | 'changed'>; clock: Clock };

/** What was read of the audit; `tooMany` where it was not read to its end. */
export type Read = { entries: Changed[]; tooMany: boolean };

// Ids are given out before they are committed: one that is missing is looked for until its transaction has surely ended.
const missingMs = 60_000;
const mostMissing = 1000;
const mostAtOnce = 5000;
// Entries before the end that are looked at when somebody begins: their neighbours may not be committed yet.
const begun = 100n;

/** Reads the audit onwards, in the order of its ids, with those that were committed late. */
export function createChanges({ store, clock }: Deps) {
  let last: bigint | undefined;
  let missing = new Map<bigint, number>();

  const note = (entries: Changed[], at: number): void => {
    for (const { id } of entries) {
      if (missing.delete(id) || id <= last!) continue;
      for (let gap = last! + 1n; gap < id && missing.size < mostMissing; gap++) missing.set(gap, at);
      last = id;
    }
    missing = new Map([...missing].filter(([, since]) => at - since < missingMs));
  };

  return {
    /** How far it was read: everything up to here is known. */
    place: (): bigint => [...missing.keys()].reduce((least, id) => (id <= least ? id - 1n : least), last ?? 0n),

    /** Forgets where it was: whoever comes next begins at the end. */
    forget(): void {
      last = undefined;
      missing.clear();
    },

    /** What came since the last time. */
    async next(): Promise<Read> {
      if (last === undefined) {
        const end = await store.last();
        last = end > begun ? end - begun : 0n;
        note(await store.changed(last, [], mostAtOnce), clock().getTime());
        return { entries: [], tooMany: false };
      }
      const entries = await store.changed(last, [...missing.keys()], mostAtOnce);
      const tooMany = entries.length === mostAtOnce;
      if (tooMany) {
        last = await store.last();
        missing.clear();
      } else note(entries, clock().getTime());
      return { entries, tooMany };
    },
  };
}
