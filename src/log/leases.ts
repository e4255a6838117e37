import { randomUUID } from 'node:crypto';
import type { Stopwatch } from '../clock.js';
import { DomainError } from '../errors.js';
import type { Tell } from '../logging.js';
import type { LogCursor } from './cursor.js';
import { leaseMs, type InstanceTable } from './instance-table.js';
import { watchTimeline } from './new-timeline.js';
import type { LogReader } from './reader.js';

// Less than the database grants, for clocks that do not run alike.
const usableMs = leaseMs - 100;
const renewEveryMs = 500;
const settleAtMostMs = 10_000;

/** Keeps what this instance says true on every instance (docs/architecture.md, Leases and the barrier). */
export type Leases = {
  /** True while answers that depend on the log may be given. */
  held(): boolean;
  /**
   * Resolves when every instance that may answer has applied what was committed up to a place.
   * @throws DomainError `not-ready`
   */
  settle(committed: LogCursor | undefined): Promise<void>;
  /** Reads the log now: somebody wrote to it. */
  hint(): void;
  stop(): Promise<void>;
};

/** The one instance of an embedded database: what it has read, all have read. */
export function soleInstance(reader: Pick<LogReader, 'catchUp'>): Leases {
  return { held: () => true, settle: () => reader.catchUp(), hint: () => {}, stop: async () => {} };
}

type Reader = Pick<LogReader, 'catchUp' | 'position' | 'epoch'>;

type Deps = { table: InstanceTable; reader: Reader; stopwatch: () => Stopwatch; tell: Tell };

/** One of many instances. Resolves once the first lease is held. */
export async function joinInstances({ table, reader, stopwatch, tell }: Deps): Promise<Leases> {
  const id = randomUUID();
  let granted: Stopwatch | undefined;
  let cycling: Promise<void> | undefined;
  let again = false;
  let failures = 0;

  // INVARIANT: a lease counts only once the log was read after it was granted. A revocation that was acknowledged
  // while this instance had no lease is in that reading; one that commits later waits for this instance.
  const renew = async (): Promise<void> => {
    await reader.catchUp();
    for (;;) {
      const sent = stopwatch();
      const applied = reader.position();
      await table.grant(id, applied);
      await reader.catchUp();
      granted = sent;
      if (reader.position() === applied) return;
    }
  };

  const noteSuccess = (): void => {
    if (failures > 0) tell.warn({ failures }, `the lease is renewed again, after failing ${failures} times`);
    failures = 0;
  };

  const noteFailure = (err: unknown): void => {
    if (failures++ > 0) return;
    tell.error(
      { err },
      'the lease was not renewed: this instance stops answering until the database answers, and a line here says when',
    );
  };

  const cycle = (): Promise<void> => {
    if (cycling) {
      again = true;
      return cycling;
    }
    cycling = renew()
      .then(noteSuccess, noteFailure)
      .finally(() => {
        cycling = undefined;
        if (again) void cycle();
        again = false;
      });
    return cycling;
  };

  const timeline = watchTimeline({ table, stopwatch });
  const isHindered = async (place: LogCursor): Promise<boolean> => {
    const hindrance = await table.hindrance(id, place);
    if (hindrance === 'other-epoch') throw replaced();
    if (hindrance === 'new-timeline') await timeline.isNew(place.epoch);
    return hindrance !== undefined;
  };

  await renew();
  const timer = setInterval(() => void cycle(), renewEveryMs);
  timer.unref();

  return {
    held: () => granted !== undefined && granted() < usableMs,
    async settle(committed) {
      const waited = stopwatch();
      await reader.catchUp();
      requireRead(reader, committed);
      const place = { epoch: reader.epoch(), position: reader.position() };
      for (let pause = 1; await isHindered(place); pause = Math.min(pause * 2, 50)) {
        if (waited() > settleAtMostMs)
          throw new DomainError(
            'not-ready',
            'an instance holds its lease but does not read the log: check the log file of that instance',
            {
              retryAfter: 1,
            },
          );
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    },
    hint: () => void cycle(),
    async stop() {
      clearInterval(timer);
      await cycling;
      granted = undefined;
      await table.forget(id);
    },
  };
}

/**
 * INVARIANT: what was committed is in what was read. Connections of one pool may lead to two servers while a standby is promoted, and a
 * standby may have been promoted that never had the change. @throws DomainError `not-ready`
 */
function requireRead(reader: Reader, committed: LogCursor | undefined): void {
  if (!committed || (reader.epoch() === committed.epoch && reader.position() >= committed.position)) return;
  throw replaced();
}

const replaced = (): DomainError =>
  new DomainError('not-ready', 'the database was replaced by its standby while the change was made', { retryAfter: 1 });
