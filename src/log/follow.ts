import type { Chore } from '../chores.js';
import type { Clock, Stopwatch } from '../clock.js';
import type { Config } from '../config.js';
import type { Commit, Database, Others, Transaction } from '../db/client.js';
import { DomainError } from '../errors.js';
import { logChannel, pruneLog } from './append.js';
import { encodeCursor, epochChanged, parseCursor, type LogCursor } from './cursor.js';
import { readHead } from './head.js';
import { createInstanceTable } from './instance-table.js';
import { joinInstances, soleInstance, type Leases } from './leases.js';
import type { LogEntry } from './entries.js';
import type { Tell } from '../logging.js';
import type { Sealer } from '../sealing.js';
import { createLogReader, readLog, type LoadedLog, type LogReader } from './reader.js';

type Deps = {
  db: Database;
  /** Absent where no other instance can write. */
  others?: Others | undefined;
  clock: Clock;
  /** Measures leases. */
  stopwatch: () => Stopwatch;
  config: Pick<Config, 'needsStandby'>;
  /** Others are told which key this instance seals with. */
  sealer: Pick<Sealer, 'keyId'>;
  tell: Tell;
  onError(error: unknown): void;
};

/** What the log keeps true: how it is read again, and how an entry changes it. */
type Followed = { load(): Promise<LoadedLog>; apply(entry: LogEntry): void };

export type Log = ReturnType<typeof createLog>;

const reachAtMostMs = 250;
const unsettled =
  'the change is made, but one instance has not applied it yet: it takes effect there within seconds. Read the object to see the change; you may send a revocation again, and it is acknowledged once every instance has applied it';

/** The log: what is committed here is applied here, and on every other instance, before it is acknowledged. */
export function createLog({ db, others, config, clock, stopwatch, sealer, tell, onError }: Deps) {
  let reader: LogReader | undefined;
  let leases: Leases | undefined;
  let stopListening: (() => Promise<void>) | undefined;
  const read = (): LogReader => reader ?? notYet();
  const settle = (committed: LogCursor | undefined): Promise<void> => (leases ?? notYet()).settle(committed);
  const position = (): number => read().position();
  const epoch = (): string => read().epoch();
  const catchUp = (): Promise<void> => read().catchUp();

  /** Runs work in a transaction. Where others write, also says the place in the log that it ends at. */
  const transact = <Result>(work: (tx: Transaction) => Promise<Result>) =>
    db.$transaction(async (tx) => {
      const result = await work(tx);
      return { result, place: others && (await readHead(tx)) };
    });

  const commit: Commit = async <Result>(work: (tx: Transaction) => Promise<Result>) => {
    const { result, place } = await transact(work);
    await settle(place).catch((error: unknown) => {
      onError(error);
      // What was committed stays: "try again" alone would have it done twice.
      throw new DomainError('not-settled', unsettled, { retryAfter: 1 });
    });
    return result;
  };

  const commitAddition: Commit = async (work) => {
    const { result, place } = await transact(work);
    await settle(place).catch(onError);
    return result;
  };

  const pruning: Chore = {
    name: 'prune-log',
    everyMs: 3_600_000,
    instances: 'any',
    run: async () => void (await pruneLog(db, clock())),
  };

  return {
    chores: [pruning],

    /** @throws DomainError `not-settled` when the work is committed and an instance does not read it in time */
    commit,
    /** The same for what only adds: an instance that has not read it yet refuses more, not less, so nobody waits for it without end. */
    commitAddition,
    /** False while this instance may not give answers that depend on the log. */
    mayAnswer: (): boolean => leases?.held() ?? false,
    /** Refuses answers that depend on the log while {@link mayAnswer} is false. @throws DomainError `not-ready` */
    requireLease(): void {
      if (!leases?.held()) throw noLease();
    },
    position,
    epoch,
    cursor: (): string => read().cursor(),
    /** Resolves when everything that was committed before the call is applied here. */
    catchUp,
    /** The cursor of a place in the log. */
    cursorAt: (at: number): string => encodeCursor({ epoch: epoch(), position: at }),

    /** Reads what the log keeps true, and keeps it so from then on. */
    async follow({ load, apply }: Followed): Promise<void> {
      reader = await createLogReader({ read: (after) => readLog(others?.client ?? db, after), load, apply });
      leases = others
        ? await joinInstances({
            table: createInstanceTable(others.client, sealer.keyId, config.needsStandby),
            reader,
            stopwatch,
            tell,
          })
        : soleInstance(reader);
      stopListening = await others?.listen(logChannel, leases.hint);
    },

    /** Resolves once everything up to a cursor is applied here. @throws DomainError `epoch-changed`, `not-ready` */
    async reach(cursor: string): Promise<void> {
      const wanted = parseCursor(cursor);
      const isReached = () => epoch() === wanted.epoch && position() >= wanted.position;
      if (isReached()) return;
      await within(reachAtMostMs, catchUp());
      if (epoch() !== wanted.epoch) throw epochChanged('leave atLeast out, or use a newer one');
      if (!isReached())
        throw new DomainError('not-ready', 'this instance has not reached that cursor yet: try again', {
          retryAfter: 1,
        });
    },

    async close(): Promise<void> {
      await stopListening?.();
      await leases?.stop();
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

function notYet(): never {
  throw new Error('the log is not followed yet');
}

/** Resolves with the work, or when its time is up. */
async function within(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
  await Promise.race([work, late]).finally(() => clearTimeout(timer));
}
