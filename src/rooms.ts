import type { Door } from './door.js';
import { createChores } from './chores.js';
import type { Log } from './log/follow.js';
import type { LoadedLog } from './log/reader.js';
import type { Tell } from './logging.js';

type Deps = {
  log: Log;
  /** Reads again what decisions are made from. */
  load(): Promise<LoadedLog>;
  tell: Tell;
};

/** All rooms as one: what follows the log follows it in the order of the doors. */
export function joinRooms(doors: Door<unknown>[], { log, load, tell }: Deps) {
  const followers = doors.flatMap(({ follows = [] }) => follows);
  const chores = createChores([...log.chores, ...doors.flatMap((door) => door.chores ?? [])], tell);

  return {
    routes: doors.flatMap(({ routes }) => routes),
    estRoutes: doors.flatMap(({ estRoutes = [] }) => estRoutes),
    pkiRoutes: doors.flatMap(({ pkiRoutes = [] }) => pkiRoutes),
    chores,
    metrics: [...chores.metrics, ...doors.flatMap((door) => door.metrics ?? [])],

    /** Resolves when every room is ready for requests. */
    async start(): Promise<void> {
      await log.follow({
        async load() {
          const { install, ...place } = await load();
          return {
            ...place,
            install() {
              install();
              for (const { clear } of followers) clear();
            },
          };
        },
        apply: (entry) => {
          for (const { apply } of followers) apply(entry);
        },
      });
      for (const door of doors) await door.start?.();
    },

    /** Stops what is done in the background, writes what waits to be written, and gives the lease back. */
    async close(): Promise<void> {
      const stopped = chores.stop();
      await Promise.allSettled(doors.flatMap((door) => (door.close ? [door.close()] : [])));
      await stopped;
      await log.close();
    },
  };
}
