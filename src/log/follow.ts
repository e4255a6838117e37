import type { Stopwatch } from '../clock.js';
import type { Commit, Database, Others, Transaction } from '../db/client.js';
import { DomainError } from '../errors.js';
import { logChannel } from './append.js';
import { encodeCursor, epochChanged, parseCursor } from './cursor.js';
import { createInstanceTable, joinInstances, soleInstance, type Leases } from './leases.js';
import type { LogEntry } from './entries.js';
import { createLogReader, readLog, type LoadedLog } from './reader.js';

type Deps = {
  db: Database;
  /** Absent where no other instance can write. */
  others: Others | undefined;
  /** Measures leases. */
  stopwatch: () => Stopwatch;
  load(): Promise<LoadedLog>;
  apply(entry: LogEntry): void;
  onError(error: unknown): void;
};

export type Log = Awaited<ReturnType<typeof followLog>>;

const reachAtMostMs = 250;
const unsettled =
  'the change is made, but one instance has not applied it yet: it takes effect there within seconds. Read the object to see the change; you may send a revocation again, and it is acknowledged once every instance has applied it';

/** Follows the log from now on: what was committed is applied here, and on every other instance, before it is acknowledged. */
export async function followLog({ db, others, stopwatch, load, apply, onError }: Deps) {
  const reader = await createLogReader({ read: (after) => readLog(others?.client ?? db, after), load, apply });
  const leases: Leases = others
    ? await joinInstances({ table: createInstanceTable(others.client), reader, stopwatch, onError })
    : soleInstance(reader);
  const stopListening = await others?.listen(logChannel, leases.hint);

  const commit: Commit = async <Result>(work: (tx: Transaction) => Promise<Result>) => {
    const result = await db.$transaction(work);
    await leases.settle().catch((error: unknown) => {
      onError(error);
      // What was committed stays: "try again" alone would have it done twice.
      throw new DomainError('not-settled', unsettled, { retryAfter: 1 });
    });
    return result;
  };

  const commitAddition: Commit = async (work) => {
    const result = await db.$transaction(work);
    await leases.settle().catch(onError);
    return result;
  };

  return {
    /** @throws DomainError `not-settled` when the work is committed and an instance does not read it in time */
    commit,
    /** The same for what only adds: an instance that has not read it yet refuses more, not less, so nobody waits for it without end. */
    commitAddition,
    /** False while this instance may not give answers that depend on the log. */
    mayAnswer: leases.held,
    /** Refuses answers that depend on the log while {@link mayAnswer} is false. @throws DomainError `not-ready` */
    requireLease(): void {
      if (!leases.held()) throw noLease();
    },
    position: reader.position,
    epoch: reader.epoch,
    cursor: reader.cursor,
    /** Resolves when everything that was committed before the call is applied here. */
    catchUp: reader.catchUp,
    /** The cursor of a place in the log. */
    cursorAt: (position: number): string => encodeCursor({ epoch: reader.epoch(), position }),

    /** Resolves once everything up to a cursor is applied here. @throws DomainError `epoch-changed`, `not-ready` */
    async reach(cursor: string): Promise<void> {
      const { epoch, position } = parseCursor(cursor);
      const isReached = () => reader.epoch() === epoch && reader.position() >= position;
      if (isReached()) return;
      await within(reachAtMostMs, reader.catchUp());
      if (reader.epoch() !== epoch) throw epochChanged('leave atLeast out, or use a newer one');
      if (!isReached())
        throw new DomainError('not-ready', 'this instance has not reached that cursor yet: try again', {
          retryAfter: 1,
        });
    },

    async close(): Promise<void> {
      await stopListening?.();
      await leases.stop();
    },
  };
}

/** What is answered for as long as an instance does not know whether it has read the whole log. */
function noLease(): DomainError {
  return new DomainError(
    'not-ready',
    'this instance has lost its connection to the database: ask another, or try again',
    {
      retryAfter: 1,
    },
  );
}

/** Resolves with the work, or when its time is up. */
async function within(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
  await Promise.race([work, late]).finally(() => clearTimeout(timer));
}
