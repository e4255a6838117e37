import type { Clock } from '../clock.js';
import type { Log } from '../log/follow.js';
import type { EdgeStore, EdgeThing } from './store.js';

type Deps = { store: EdgeStore; clock: Clock; reader: Pick<Log, 'requireLease' | 'reach' | 'cursor'> };

export type EdgeThings = ReturnType<typeof createEdgeThings>;

/** Things as those judge them who know devices by their names alone. */
export function createEdgeThings({ store, clock, reader }: Deps) {
  /** What is read, and a place in the log that was certainly read after. */
  const certainly = async <Result>(read: () => Promise<Result>): Promise<Result & { cursor: string }> => {
    reader.requireLease();
    const cursor = reader.cursor();
    const found = await read();
    // Time passed while the registry was asked.
    reader.requireLease();
    return { ...found, cursor };
  };

  return {
    /** For each name, in this order, its thing in the account or null. @throws DomainError `not-ready`, `epoch-changed` */
    async find(account: string, names: string[], atLeast: string | undefined) {
      if (atLeast !== undefined) await reader.reach(atLeast);
      return certainly(async () => {
        const found = await store.things(account, [...new Set(names)], clock());
        const byName = new Map(found.map((thing) => [thing.thingName, thing]));
        return { things: names.map((name): EdgeThing | null => byName.get(name) ?? null) };
      });
    },

    /** The things of an account after a name, a page of them. @throws DomainError `not-ready` */
    list: (account: string, after: string) =>
      certainly(async () => {
        const { rows, more } = await store.thingsAfter(account, after, clock());
        return { things: rows, next: more ? rows.at(-1)!.thingName : undefined };
      }),
  };
}
