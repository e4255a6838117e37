import { sql, type Database } from '../db/client.js';
import { encodeCursor, type LogCursor } from './cursor.js';
import { epochNow, lineageNow, type Lineage } from './head.js';
import { parseEntry, type LogEntry, type LogEntryType } from './entries.js';

/** Where the log stands, with what is new in it. */
export type LogPage = { epoch: string; lineage: Lineage; head: number; entries: LogEntry[] };

/** A state that was read, and its place. `install` puts it in the place of the one before; nothing of that may be left. */
export type LoadedLog = { epoch: string; lineage: Lineage; position: number; install(): void };

type Deps = {
  read(after: number): Promise<LogPage>;
  /** Reads the state again from the database, and says where it stands. */
  load(): Promise<LoadedLog>;
  /** Changes the state by one entry. Synchronous: readers never see half of it. */
  apply(entry: LogEntry): void;
};

export type LogReader = Awaited<ReturnType<typeof createLogReader>>;

/** Follows the log in order, and knows how far it has come. */
export async function createLogReader({ read, load, apply }: Deps) {
  let state: LogCursor = { epoch: '', position: 0 };
  let cursor = '';
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;

  let lineage: Lineage | undefined;

  /** A server that was replaced may still answer, and knows nothing of what came since. @throws Error */
  const requireNewest = (found: Lineage): void => {
    if (lineage && found.history === lineage.history && found.timeline < lineage.timeline)
      throw new Error('a database answers that its standby has replaced: what it says is not read');
    lineage = found;
  };

  // INVARIANT: state and place change together: nobody sees one of this history and the other of the next.
  const loadAnew = async (): Promise<void> => {
    const { epoch, position, install, lineage: found } = await load();
    requireNewest(found);
    install();
    state = { epoch, position };
    cursor = encodeCursor(state);
  };
  await loadAnew();

  const advance = async (): Promise<void> => {
    for (;;) {
      const page = await read(state.position);
      requireNewest(page.lineage);
      const follows =
        page.epoch === state.epoch && (page.entries[0]?.position ?? state.position + 1) === state.position + 1;
      if (!follows || page.head < state.position) {
        // A restored backup, or entries that were pruned: what is in memory is of another history.
        await loadAnew();
        continue;
      }
      for (const entry of page.entries) {
        apply(entry);
        state.position = entry.position;
      }
      if (page.entries.length > 0) cursor = encodeCursor(state);
      if (state.position >= page.head) return;
    }
  };

  const catchUp = (): Promise<void> => {
    if (!running) return (running = advance().finally(() => (running = undefined)));
    // The reading in progress may have begun before what this caller waits for.
    const again = (): Promise<void> => {
      next = undefined;
      return catchUp();
    };
    return (next ??= running.then(again, again));
  };

  return {
    /** Resolves when everything that was committed before the call is applied. Calls that wait share one reading. */
    catchUp,
    position: (): number => state.position,
    epoch: (): string => state.epoch,
    /** `epoch:position`, the place of the last entry that was applied. */
    cursor: (): string => cursor,
  };
}

const pageEntries = 1000;

/** The columns of an entry, as `parseEntry` reads them. */
export const entryColumns = sql`e.position, e.at, e.account_name AS account, e.type, e.payload`;

type Row = Lineage & { epoch: string; head: bigint; position: bigint | null };

/** Reads the entries after a position, at most a page of them, and the head, of one instant. */
export async function readLog(db: Database, after: number): Promise<LogPage> {
  const rows = await db.$queryRaw<Row[]>(sql`
    SELECT ${epochNow} AS epoch, ${lineageNow}, h.position AS head, ${entryColumns} FROM log_head h
    LEFT JOIN LATERAL (SELECT * FROM log_entries WHERE position > ${after} ORDER BY position LIMIT ${pageEntries}) e ON true
    ORDER BY e.position`);
  return toPage(rows);
}

/** The head of the log, and the entries of some types since an instant, oldest first. */
export async function readRecent(
  tx: Pick<Database, '$queryRaw'>,
  since: Date,
  types: LogEntryType[],
): Promise<LogPage> {
  const rows = await tx.$queryRaw<Row[]>(sql`
    SELECT ${epochNow} AS epoch, ${lineageNow}, h.position AS head, ${entryColumns} FROM log_head h
    LEFT JOIN log_entries e ON e.at >= ${since} AND e.type = ANY(${types}) AND e.position <= h.position
    ORDER BY e.position`);
  return toPage(rows);
}

/** The head is in every row; of an empty log there is one without an entry. */
function toPage(rows: Row[]): LogPage {
  const [{ epoch, history, timeline, head }] = rows as [Row];
  return {
    epoch,
    lineage: { history, timeline },
    head: Number(head),
    entries: rows.filter(({ position }) => position !== null).map(parseEntry),
  };
}
