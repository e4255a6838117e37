import type { Metric } from 'prom-client';
import type { AwsTuning } from './aws/client/tuning.js';
import type { AppendAudit } from './audit/store.js';
import type { Chore } from './chores.js';
import type { Clock, Stopwatch } from './clock.js';
import type { Config } from './config.js';
import type { Commit, Database, Others, PoolState } from './db/client.js';
import type { Count } from './figures/counters.js';
import type { FailureLimiter } from './http/failure-limiter.js';
import type { App } from './http/route.js';
import type { AppendLog } from './log/append.js';
import type { Log } from './log/follow.js';
import type { LogEntry } from './log/entries.js';
import type { Tell } from './logging.js';
import type { Sealer } from './sealing.js';

/** Something in memory that the log keeps true. */
export type Follower = {
  /** Changes it by one entry. Synchronous: readers never see half of it. */
  apply(entry: LogEntry): void;
  /** Forgets everything: the log is another one. */
  clear(): void;
};

/** Routes to mount. */
export type Routes = (app: App) => Promise<void>;

/** What a room shows of itself: its `feature.ts` returns one, and services.ts alone asks for it. */
export type Door<Verbs> = {
  /** What other rooms and programs may call. */
  verbs: Verbs;
  routes: Routes[];
  /** Those of them that the plain listener for lists and OCSP serves too. */
  pkiRoutes?: Routes[];
  /** Those of the listener that asks clients for certificates. */
  estRoutes?: Routes[];
  follows?: Follower[];
  chores?: Chore[];
  /** Made with `registers: []`: every server has its own registry. */
  metrics?: Metric[];
  /** Reads what the room needs before it is first used. The log is followed by then. */
  start?(): Promise<void>;
  /** Writes what waits to be written. Requests have ended by then, and the database is still there. */
  close?(): Promise<void>;
};

/** What a room that writes is given. */
export type Ledger = { db: Database; commit: Commit; clock: Clock; audit: AppendAudit; log: AppendLog };

/** What belongs to no room, and may be given to each. */
export type Shared = Ledger & {
  config: Config;
  /** How far the log is applied here, and whether that may be relied on. */
  reader: Log;
  sealer: Sealer;
  /** Counts what happens in an account, for its figures. */
  count: Count;
  /** Counts wrong credentials by address. */
  failures: FailureLimiter;
  tell: Tell;
  /** Told of what fails behind an answer that was given. */
  onError(error: unknown): void;
};

/** What the program is told besides its settings; a test tells it otherwise. */
export type Surroundings = {
  clock: Clock;
  /** Measures leases. */
  stopwatch(): Stopwatch;
  /** Where lines go that no request is behind. */
  tell: Tell;
  /** Told of what fails in the background. */
  onError(error: unknown): void;
  aws: AwsTuning;
};

/** What the rooms are built on. */
export type Foundations = Surroundings & {
  config: Config;
  db: Database;
  /** Absent where this is the only instance. */
  others?: Others | undefined;
  /** How the connections for requests are doing. */
  pool?: (() => PoolState) | undefined;
  sealer: Sealer;
};
