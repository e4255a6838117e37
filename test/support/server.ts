import type { App } from '../../src/http/route.js';
import { awsTuning, type AwsTuning } from '../../src/aws/client/tuning.js';
import { createStopwatch, type Clock, type Stopwatch } from '../../src/clock.js';
import { loadConfig } from '../../src/config.js';
import { createLogger } from '../../src/logging.js';
import { openServer, type OpenServer } from '../../src/server.js';
import { createClient, type Ask, type Client, type Patience } from './client.js';
import { freshDatabase, type DatabaseKind, type TestDatabase } from './databases/databases.js';
import { freePort } from './ports.js';

/** The real server in this process, on a port, over a fresh database, with a clock that a test can move. */
export type TestServer = OpenServer & {
  url: string;
  ownerKey: string;
  /** Calls with the owner key. */
  owner: Client;
  as(token: string | undefined, patience?: Patience): Client;
  /** The same without a connection, for tests that ask thousands of times. */
  direct(token: string | undefined): Client;
  /** Moves the server's clock by seconds. */
  advance(seconds: number): void;
  /** Stops the server's clock: from now on nothing but `advance` moves it. */
  freeze(): void;
  now(): Date;
  stop(): Promise<void>;
  /** Asks without a connection, for tests that ask ten thousand times. */
  inject: App['inject'];
};

// The database of another server: its settings name it, and the other removes it.
const joined: TestDatabase = { settings: {}, remove: () => {} };

// The only instance of its database keeps its lease, however long the machine lets it wait for its turn.
const endlessLease = (): Stopwatch => () => 0;

/** What goes wrong in the background is part of many tests; `TEST_ERRORS=1` shows it. */
const complain = (error: unknown): void => {
  if (process.env['TEST_ERRORS']) console.error(error);
};

/** Tests ask faster than anybody, and about few things: room for many is made at the start. */
const unhurried = {
  THINGWARD_READS_PER_SECOND: '1000000',
  THINGWARD_WRITES_PER_SECOND: '1000000',
  THINGWARD_HEAVY_PER_SECOND: '1000000',
  THINGWARD_TOKEN_CACHE: '2000',
  THINGWARD_THING_CACHE: '2000',
};

const askWithoutConnection =
  (app: App): Ask =>
  async (url, { method, headers, body }) => {
    const { pathname, search } = new URL(url);
    const answer = await app.inject({
      method: method as 'GET',
      url: `${pathname}${search}`,
      headers,
      ...(body === undefined ? {} : { payload: body }),
    });
    const headersOf = Object.entries(answer.headers).map(([name, value]): [string, string] => [name, String(value)]);
    // These have no body, and Response takes none.
    const isEmpty = [204, 304].includes(answer.statusCode);
    return new Response(isEmpty ? null : new Uint8Array(answer.rawPayload), {
      status: answer.statusCode,
      headers: headersOf,
    });
  };

/** With `DATABASE_URL` among the settings, one more instance on that database, which needs `THINGWARD_OWNER_KEY`. */
export async function startServer(
  kind: DatabaseKind,
  settings: Record<string, string> = {},
  tuning: Partial<Omit<AwsTuning, 'pause'>> & { pause?: 'by the clock' } = {},
): Promise<TestServer> {
  const database = settings['DATABASE_URL'] ? joined : await freshDatabase(kind);
  const port = await freePort();
  const config = loadConfig({
    THINGWARD_PORT: String(port),
    LOG_LEVEL: 'silent',
    ...unhurried,
    ...database.settings,
    ...settings,
  });
  let offsetMs = 0;
  let frozenAt: number | undefined;
  const clock: Clock = () => new Date((frozenAt ?? Date.now()) + offsetMs);
  // Waiting for a call's turn can move the clock instead.
  const pause = tuning.pause ? async (ms: number) => void (offsetMs += ms) : awsTuning.pause;
  const opened = await openServer(config, {
    clock,
    stopwatch: database === joined ? createStopwatch : endlessLease,
    onError: complain,
    tell: createLogger(process.env['TEST_ERRORS'] ? 'info' : 'silent'),
    // A machine that is slow has not died: calls and claims have the time that it takes.
    aws: { ...awsTuning, timeoutMs: 120_000, claimMs: 240_000, ...tuning, pause },
    chores: 'called',
    ...(process.env['TEST_ERRORS'] ? { logger: createLogger('error') } : {}),
  });
  const { app } = opened;
  const ownerKey = opened.ownerKey ?? config.ownerKey!;
  const url = `http://127.0.0.1:${port}`;
  const as = (token: string | undefined, patience?: Patience) => createClient(url, token, patience);
  return {
    ...opened,
    url,
    ownerKey,
    owner: as(ownerKey),
    as,
    direct: (token) => createClient(url, token, 'impatient', askWithoutConnection(app)),
    advance: (seconds) => (offsetMs += seconds * 1000),
    freeze: () => (frozenAt ??= Date.now()),
    now: clock,
    inject: app.inject.bind(app),
    async stop() {
      await opened.stop();
      database.remove();
    },
  };
}
