import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { ConfigError } from '../config.js';
import { tryEngine } from './engine.js';
import { Prisma, PrismaClient } from './generated/client.js';
import { requireReplicated } from './replicated.js';

/** The database, as stores see it. */
export type Database = PrismaClient;

/** The same inside a transaction. */
export type Transaction = Prisma.TransactionClient;

/** Runs work in a transaction, and resolves once every instance that may answer knows of it. */
export type Commit = <Result>(work: (tx: Transaction) => Promise<Result>) => Promise<Result>;

/** Builds parametrised SQL for `$queryRaw` and `$executeRaw`. */
export const { sql } = Prisma;

/** What a query returns or takes for a JSON column. */
export type Json = Prisma.InputJsonValue;

/** An open database: the client, a way to run migrations on it, and its end. */
export type OpenDatabase = {
  kind: 'embedded' | 'postgresql';
  /** Where it is, for people: host and database, or the folder. */
  place: string;
  client: Database;
  session: SqlSession;
  /** How its connections for requests are doing; absent where there is one. */
  pool?: () => PoolState;
  /** What it takes to keep up with others; absent where nobody else writes. */
  others?: Others;
  close(): Promise<void>;
};

/** Connections that are open, those of them with nothing to do, and requests that wait for one. */
export type PoolState = { total: number; idle: number; waiting: number };

/** Connections on which no request waits, so that a lease is renewed however busy the others are. */
export type Others = {
  /** Whether notifications arrive. */
  hears: boolean;
  client: Database;
  /** Calls back for every notification until the end that it returns is called. */
  listen(channel: string, onNotification: () => void): Promise<() => Promise<void>>;
};

/** One connection for plain SQL, several statements at once allowed in `exec`. */
export type SqlSession = {
  exec(sql: string): Promise<void>;
  query<Row>(sql: string, parameters?: unknown[]): Promise<Row[]>;
  end(): Promise<void>;
};

type Adapter = NonNullable<ConstructorParameters<typeof PrismaClient>[0]['adapter']>;

/** A Prisma client with timeouts that a busy group commit does not reach. */
export function createClient(adapter: Adapter): Database {
  return new PrismaClient({ adapter, transactionOptions: { maxWait: 20_000, timeout: 60_000 } });
}

/** Opens a PostgreSQL. Nothing is read until it is used, except one connection for migrations. */
export async function openPostgres(url: string, poolSize: number): Promise<OpenDatabase> {
  const connection = await connectTo(url);
  const hears = await tryWithAnother(connection, url);
  const options = { connectionString: url, connectionTimeoutMillis: 5000, onConnect: prepare };
  const open = (max: number) => {
    const pool = new pg.Pool({ ...options, max });
    return { pool, client: createClient(new PrismaPg(pool, { disposeExternalPool: true })) };
  };
  const { client, pool } = open(poolSize);
  const { client: following } = open(followingConnections);
  const session: SqlSession = {
    exec: async (text) => void (await connection.query(text)),
    query: async <Row>(text: string, parameters: unknown[] = []) =>
      (await connection.query(text, parameters)).rows as Row[],
    end: () => connection.end(),
  };
  return {
    kind: 'postgresql',
    place: `database ${connection.database} on ${connection.host}:${connection.port}`,
    client,
    session,
    pool: () => ({ total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount }),
    others: { hears, client: following, listen: (channel, onNotification) => listen(url, channel, onNotification) },
    async close() {
      await Promise.all([client.$disconnect(), following.$disconnect()]);
    },
  };
}

/** @throws ConfigError for one that cannot be reached */
async function connectTo(url: string): Promise<pg.Client> {
  const connection = new pg.Client({ connectionString: url });
  await connection.connect().catch((error: Error) => {
    throw new ConfigError(`DATABASE_URL names a PostgreSQL that cannot be reached: ${explain(error)}`);
  });
  return connection;
}

/** Ends the connection where the engine is none to run on. @throws ConfigError */
async function tryWithAnother(connection: pg.Client, url: string): Promise<boolean> {
  let other: pg.Client | undefined;
  try {
    other = await connectTo(url);
    return await tryEngine(connection, other);
  } catch (error) {
    await connection.end();
    throw error;
  } finally {
    await other?.end();
  }
}

function explain(error: NodeJS.ErrnoException): string {
  const text = error.message || String(error.code);
  if (!/certificate|altname/i.test(text)) return text;
  return `${text}: with a private CA add sslmode=verify-full&sslrootcert=/path/to/ca.pem; sslmode=no-verify encrypts without checking the server`;
}

async function prepare(connection: pg.ClientBase): Promise<void> {
  requireReplicated(connection);
  await useUtc(connection);
}

/**
 * Prisma writes and reads times without their zone, so every session must be in UTC, whatever the server is in. By a statement,
 * because PgBouncer refuses or ignores startup options; it keeps TimeZone for each client, in transaction mode too.
 */
async function useUtc(connection: { query(text: string): Promise<unknown> }): Promise<void> {
  await connection.query("SET TimeZone = 'UTC'");
}

// One reads the log, one renews the lease, one asks who lags.
const followingConnections = 3;
const reconnectMs = 1000;

/** Listens on a separate connection, and again on another when that one breaks. Notifications are hints: some may be lost. */
async function listen(url: string, channel: string, onNotification: () => void): Promise<() => Promise<void>> {
  let ended = false;
  let connection: pg.Client | undefined;
  const connect = async (): Promise<void> => {
    const opened = new pg.Client({ connectionString: url });
    opened.on('notification', onNotification);
    // What goes wrong on an open connection ends it; another takes its place.
    opened.on('error', () => {});
    await opened.connect();
    opened.once('end', reconnect);
    await opened.query(`LISTEN ${channel}`);
    connection = opened;
  };
  const reconnect = (): void => {
    if (!ended) setTimeout(() => void connect().catch(reconnect), reconnectMs).unref();
  };
  await connect();
  return async () => {
    ended = true;
    await connection?.end();
  };
}
