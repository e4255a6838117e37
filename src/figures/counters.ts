import type { Clock } from '../clock.js';
import type { FigureName } from '../metrics/names.js';

/** What happened in a minute: how often, of which account, and by what. */
export type Counted = { account: string; name: FigureName; label: string; value: number };

/** Counts that something happened; with a label also what it belongs to. */
export type Count = (account: string, name: FigureName, label?: string, by?: number) => void;

const mostAccounts = 20_000;
const mostLabels = 50;
const longestLabel = 128;

type Counts = Map<FigureName, Map<string, number>>;

/** Counts in memory: two look-ups for each. What has no room is counted under another name, and never lost from the whole. */
export function createCounters(clock: Clock) {
  let begun = clock();
  let accounts = new Map<string, Counts>();

  const countsOf = (account: string): Counts | undefined => {
    const known = accounts.get(account);
    if (known || accounts.size >= mostAccounts) return known;
    if (accounts.size === 0) begun = clock();
    const counts: Counts = new Map();
    accounts.set(account, counts);
    return counts;
  };

  const count: Count = (account, name, label = '', by = 1) => {
    const counts = countsOf(account);
    if (!counts || !(by > 0)) return;
    const labels = counts.get(name) ?? new Map<string, number>();
    if (labels.size === 0) counts.set(name, labels);
    labels.set('', (labels.get('') ?? 0) + by);
    if (label === '') return;
    const short = label.slice(0, longestLabel);
    const shown = labels.has(short) || labels.size <= mostLabels ? short : 'other';
    labels.set(shown, (labels.get(shown) ?? 0) + by);
  };

  return {
    count,

    /** What was counted since the last time, and when that began. */
    take(): { begun: Date; counted: Counted[] } {
      const taken = accounts;
      accounts = new Map();
      const counted = [...taken].flatMap(([account, counts]) =>
        [...counts].flatMap(([name, labels]) => [...labels].map(([label, value]) => ({ account, name, label, value }))),
      );
      return { begun, counted };
    },

    /** Puts back what could not be written. */
    giveBack(counted: Counted[]): void {
      for (const { account, name, label, value } of counted) {
        const counts = countsOf(account);
        if (!counts) continue;
        const labels = counts.get(name) ?? new Map<string, number>();
        if (labels.size === 0) counts.set(name, labels);
        labels.set(label, (labels.get(label) ?? 0) + value);
      }
    },
  };
}
