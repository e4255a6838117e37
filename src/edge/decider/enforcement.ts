import type { Change } from '../gate.js';
import { joinChanges } from './known.js';

type Deps = {
  cursor(): string;
  /** False while a live guest is here about whom nothing is known. */
  isClear(): boolean;
  /** What is enforced moved. */
  moved(): void;
  onError(error: Error): void;
  onSound(): void;
};

/** A change that is being enforced. */
type Slot = { cursor: string; isDone: boolean };

type Enforce = (change: Change) => Promise<number>;

// Changes are enforced side by side, so that none waits for a session of another that is slow to end.
const mostAtOnce = 64;
const againMs = 500;

/** Has every change enforced on live sessions, and knows up to which place no live session contradicts the log. */
export function createEnforcement({ cursor, isClear, moved, onError, onSound }: Deps) {
  const slots: Slot[] = [];
  let enforce: Enforce | undefined;
  let waiting: Change | undefined;
  let enforced: string | undefined;
  let closed = 0;

  /** INVARIANT: `enforced` moves only when both sockets of every session that contradicts a change up to there are destroyed. */
  const advance = (): void => {
    if (!isClear()) return;
    const before = enforced;
    while (slots[0]?.isDone) enforced = slots.shift()!.cursor;
    if (slots.length === 0 && !waiting) enforced = cursor();
    if (enforced !== before) moved();
  };

  const run = async (change: Change): Promise<void> => {
    const slot = { cursor: change.cursor, isDone: false };
    slots.push(slot);
    for (let asked = change; !slot.isDone;) {
      try {
        // Others count meanwhile: the sum is read after the wait.
        const ended = (await enforce?.(asked)) ?? 0;
        closed += ended;
        slot.isDone = true;
        onSound();
      } catch (error) {
        onError(error as Error);
        // Which sessions are left is not known: all are looked at.
        asked = { ...change, everything: true };
        await new Promise((resolve) => setTimeout(resolve, againMs).unref());
      }
    }
    advance();
    if (!waiting || slots.length >= mostAtOnce) return;
    const next = waiting;
    waiting = undefined;
    void run(next);
  };

  return {
    /** Who ends live sessions. */
    follow: (by: Enforce): void => void (enforce = by),

    /** A change that is applied. */
    changed(change: Change): void {
      if (waiting || slots.length >= mostAtOnce) waiting = joinChanges(waiting, change);
      else void run(change);
    },

    /** Nothing changed up to a place. */
    reached: advance,

    /** Up to where no live session contradicts the log; undefined when that was not found out yet. */
    enforced: (): string | undefined => enforced,

    /** How many sessions were ended since it was asked last. */
    takeClosed(): number {
      const taken = closed;
      closed = 0;
      return taken;
    },
    putBack: (count: number): void => void (closed += count),
  };
}
