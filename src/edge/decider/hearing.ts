import type { LogEntry } from '../../log/entries.js';
import type { Change } from '../gate.js';
import type { Fresh } from './follow.js';
import type { Parts } from './parts.js';

const pruneEveryMs = 60_000;

/** Who hears of what this edge does beside judging. */
export type Listening = {
  /** Of each head. */
  works(): void;
  /** A command waits for a thing, or for any. */
  waits(thingName: string | undefined): void;
  /** Other pipelines may be active. */
  pipelines(): void;
};

/** What becomes of what the control plane says, and of time that passes without a word from it. */
export function createHearing(parts: Parts, listening: Listening) {
  const { clock, trust, known, reach, principals, guests, receipts, keeper, issuers, beginning, monotonic } = parts;
  let state = trust.state();
  let prunedAt = monotonic();

  const everything = (): Change => ({
    cursor: known.cursor(),
    things: new Set(),
    everything: true,
    sessions: new Set(),
  });

  /** What is known counts, or does not: live guests are looked at when that changes. */
  const look = (): void => {
    const before = state;
    state = trust.state();
    if (state === before || !known.isLoaded()) return;
    const isOver = (each: typeof state): boolean => each === 'spent' || each === 'refused';
    if (isOver(state) || isOver(before)) receipts.changed(everything());
  };

  return {
    /** An earlier state was taken up. */
    restored: (): void => void (state = trust.state()),

    /** This edge may let in nobody. */
    refuse(): void {
      trust.refuse();
      look();
    },

    /** Everything was read again. */
    load({ pages, holders, since }: Fresh): void {
      // Together, so that nobody is judged by half of it.
      known.load(pages);
      principals.replace(holders);
      for (const view of since) {
        const entry = known.apply(view);
        if (entry) principals.apply(entry);
      }
      guests.forget();
      keeper.replaced();
      receipts.changed(everything());
      listening.waits(undefined);
      listening.pipelines();
    },

    /** The public address of the control plane may be another one: tokens with the earlier one count no longer, as there. */
    issuer(said: string): void {
      if (!known.renewTokenIssuer(said)) return;
      guests.forgetTokens();
      keeper.replaced();
      receipts.changed(everything());
    },

    /** The log is read up to a place. The first head of a connection says so. */
    head(serverTime: number, isFirst: boolean): void {
      if (isFirst) clock.reconnect(serverTime);
      else clock.hear(serverTime);
      trust.hear(clock.saidAt(serverTime));
      look();
      receipts.reached();
      issuers.renew(known.hasOldIssuers());
      reach.moved();
      beginning.heard();
      listening.works();
    },

    /** An entry of the log was applied to what is known. */
    applied(entry: LogEntry, view: object, change: Change): void {
      principals.apply(entry);
      keeper.applied(view);
      receipts.changed(change);
      reach.moved();
      if (entry.type === 'command') listening.waits(entry.payload.thingName);
      if (entry.type === 'pipeline') listening.pipelines();
    },

    /** Work by the clock: trust that ends, what waits to be written, what can be forgotten. @throws Error when nothing can be written */
    async tick(): Promise<void> {
      look();
      if (monotonic() - prunedAt >= pruneEveryMs) {
        prunedAt = monotonic();
        known.prune();
      }
      await keeper.keep();
    },
  };
}
