import type { Clock } from '../clock.js';
import { compared, kindNames, kindsOfAction, personOf, type StaleKind } from './kinds.js';
import type { createChanges } from './changes.js';
import { differing, type Changed, type Look, type StaleStore } from './store.js';
import type { StaleStream } from './stream.js';

type Deps = {
  store: Pick<StaleStore, 'look' | 'changedOf'>;
  changes: ReturnType<typeof createChanges>;
  stream: StaleStream;
  clock: Clock;
  onError(error: unknown): void;
};

const mostMissed = 1000;

export type Watch = ReturnType<typeof createWatch>;

/** Finds out what became stale, for all tabs of this instance at once, while there are any. */
export function createWatch({ store, changes, stream, clock, onError }: Deps) {
  let looks = new Map<string, Look>();
  let running: Promise<void> | undefined;
  let isStopped = false;

  const byAudit = async (): Promise<void> => {
    const { entries, tooMany } = await changes.next();
    if (tooMany) return stream.mark(undefined, kindNames);
    for (const { account, action, target } of entries) {
      stream.mark(account, kindsOfAction(action).filter(isShared));
      const person = personOf(target);
      if (person !== undefined) stream.mark(account, ['me'], person);
    }
  };

  const byLook = async (): Promise<void> => {
    const found = await store.look(stream.accounts(), clock());
    for (const look of found) {
      const before = looks.get(look.account);
      if (before) stream.mark(look.account, differing(before, look));
    }
    looks = new Map(found.map((look) => [look.account, look]));
  };

  const look = async (): Promise<void> => {
    if (stream.size() === 0) {
      changes.forget();
      looks.clear();
      return;
    }
    await byAudit();
    await byLook();
    stream.flush();
  };

  /** Runs share one look; a call during one has another follow it. */
  const run = (): Promise<void> => {
    if (isStopped) return Promise.resolve();
    return (running ??= look().finally(() => (running = undefined)));
  };

  return {
    run,

    /** Looks soon, and waits for nobody: something was committed. */
    nudge(): void {
      if (stream.size() > 0) void run().catch(onError);
    },

    /** What an account was not told since a place; everything, if that is too much to say. */
    async missed(account: string, person: string | undefined, after: bigint): Promise<StaleKind[]> {
      const entries = await store.changedOf(account, after, mostMissed);
      if (entries.length === mostMissed) return kindNames;
      const isMe = entries.some(({ target }) => person !== undefined && personOf(target) === person);
      return [...new Set([...compared, ...entries.flatMap(kindsOf), ...(isMe ? (['me'] as const) : [])])];
    },

    async stop(): Promise<void> {
      isStopped = true;
      await running?.catch(() => {});
    },
  };
}

const isShared = (kind: StaleKind): boolean => kind !== 'me';
const kindsOf = ({ action }: Changed): StaleKind[] => kindsOfAction(action).filter(isShared);
