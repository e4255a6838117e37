import { isDatabaseTrouble } from '../db/trouble.js';
import type { Tell } from '../logging.js';

/**
 * Says in the log what chores fail of, once, and once when it is over. A database that goes away fails them all: that is one line,
 * however many chores there are and however long it lasts.
 */
export function createFailureNotes(tell: Tell) {
  const failing = new Map<string, number>();
  // Chores that failed since the database went away; empty while it answers.
  const away = new Map<string, number>();

  const isBack = (): void => {
    const failures = [...away.values()].reduce((sum, times) => sum + times, 0);
    const chores = [...away.keys()].sort();
    away.clear();
    tell.warn(
      { chores, failures },
      `background work reaches the database again, after ${failures} failures of ${chores.length} chores`,
    );
  };

  const noteAway = (chore: string, err: unknown): void => {
    const isFirst = away.size === 0;
    away.set(chore, (away.get(chore) ?? 0) + 1);
    if (!isFirst) return;
    tell.error(
      { chore, err },
      `the chore ${chore} does not reach the database: it and all others are tried again, and a line here says when it is back`,
    );
  };

  return {
    succeeded(chore: string): void {
      if (away.has(chore)) isBack();
      const times = failing.get(chore);
      if (times === undefined) return;
      failing.delete(chore);
      tell.warn({ chore, failures: times }, `the chore ${chore} works again, after failing ${times} times`);
    },

    failed(chore: string, err: unknown): void {
      if (isDatabaseTrouble(err)) return noteAway(chore, err);
      const times = failing.get(chore) ?? 0;
      failing.set(chore, times + 1);
      if (times > 0) return;
      tell.error(
        { chore, err },
        `the chore ${chore} failed: it is tried again, and a line here says when it works again`,
      );
    },
  };
}
