import { parseCursor } from '../../log/cursor.js';
import type { Known } from './known.js';

type Waiting = { position: number; resolve(): void };

const withinMs = 10_000;
const mostWaiting = 10_000;

/** Waits until the log is applied up to a place. */
export function createReach(known: Pick<Known, 'epoch' | 'position'>) {
  const waiting = new Set<Waiting>();

  return {
    /** Resolves once a place is applied. @throws Error for a place of another history, and when it does not come within ten seconds */
    async until(cursor: string): Promise<void> {
      const { epoch, position } = parseCursor(cursor);
      if (epoch !== known.epoch())
        throw new Error('atLeast: the database was restored, or replaced by its standby, after this cursor was issued');
      if (position <= known.position()) return;
      if (waiting.size >= mostWaiting) throw new Error('atLeast: too many questions wait');
      await new Promise<void>((resolve, reject) => {
        const each = { position, resolve };
        const timer = setTimeout(() => {
          waiting.delete(each);
          reject(new Error('atLeast: this place in the log is not known here yet'));
        }, withinMs);
        each.resolve = () => {
          clearTimeout(timer);
          resolve();
        };
        waiting.add(each);
      });
    },

    /** The log is applied further. */
    moved(): void {
      for (const each of waiting)
        if (each.position <= known.position()) {
          waiting.delete(each);
          each.resolve();
        }
    },
  };
}
