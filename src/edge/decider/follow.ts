import { parseCursor } from '../../log/cursor.js';
import type { LogEntry } from '../../log/entries.js';
import { piecesOf } from '../body.js';
import { readEvents } from '../event-stream.js';
import type { Change } from '../gate.js';
import { ControlPlaneError, type ControlPlane } from './control-plane.js';
import { changeOf, type Known, type SnapshotPage } from './known.js';
import type { PrincipalAnswer } from './principal-queue.js';

/** Everything, read again: the pages of a snapshot, holders as they are at its place or later, and what the stream said until its first head. */
export type Fresh = { pages: SnapshotPage[]; holders: PrincipalAnswer[]; since: object[] };

type Deps = {
  controlPlane: Pick<ControlPlane, 'get' | 'stream'>;
  known: Known;
  ended: AbortSignal;
  /** Between 0 and 1, so that edges that lost the same instance do not return at once. */
  random(): number;
  /** Waits, or throws when the signal ends it. */
  pause(ms: number, signal: AbortSignal): Promise<void>;
  /** The first head of a connection says so. */
  head(serverTime: number, isFirst: boolean): void;
  /** What the first head of a connection said the issuer of tokens is. */
  issuer(issuer: string): void;
  applied(entry: LogEntry, view: object, change: Change): void;
  /** Reads again who was asked about most recently, at a place or after it. Never throws. */
  readHolders(atLeast: string): Promise<PrincipalAnswer[]>;
  /** Everything becomes what was read, at once. */
  load(fresh: Fresh): void;
  onError(error: Error): void;
};

const silentMs = 15_000;
const retryMs = { first: 250, most: 5000 };
const refusedRetryMs = 10_000;
const mostPages = 100_000;

/** Keeps what is known true until the signal ends it. Never throws. */
export async function follow(deps: Deps): Promise<void> {
  const { known, ended, random, pause, onError } = deps;
  let startAnew = !known.isLoaded();
  let fresh: Fresh | undefined;
  for (let failures = 0; !ended.aborted;) {
    try {
      // Nobody said which pipelines there are: the server or this edge is newer than what is known here.
      startAnew ||= known.pipelines() === undefined;
      if (startAnew) fresh ??= await readAll(deps);
      await stream(deps, fresh, () => {
        failures = 0;
        startAnew = false;
        fresh = undefined;
      });
    } catch (error) {
      if (ended.aborted) return;
      onError(error as Error);
      const failure = error instanceof ControlPlaneError ? error.failure : 'start-anew';
      // What cannot be read is read again from the start: nobody guesses what was revoked.
      if (failure === 'start-anew') [startAnew, fresh] = [true, undefined];
      const most = failure === 'refused' ? refusedRetryMs : retryMs.most;
      const wait = Math.min(retryMs.first * 2 ** failures++, most);
      await pause(wait * (0.5 + random() / 2), ended).catch(() => {});
    }
  }
}

async function readAll({ controlPlane, known, readHolders }: Deps): Promise<Fresh> {
  const pages: SnapshotPage[] = [];
  for (let path: string | undefined = '/v1/edge/snapshot'; path !== undefined; path = pages.at(-1)!.next) {
    if (pages.length >= mostPages) throw new ControlPlaneError('away', 'the snapshot has too many pages');
    pages.push(await controlPlane.get<SnapshotPage>(path));
  }
  requireNewer(known, pages);
  return { pages, holders: await readHolders(pages[0]!.cursor), since: [] };
}

/** INVARIANT: nothing that was applied is forgotten. An instance that is behind must not bring a revoked device back. */
function requireNewer(known: Known, pages: SnapshotPage[]): void {
  const [{ cursor }] = pages as [SnapshotPage];
  if (pages.some((page) => page.cursor !== cursor))
    throw new ControlPlaneError('away', 'the pages of the snapshot are of different places in the log');
  if (!known.isLoaded()) return;
  const [read, applied] = [parseCursor(cursor), parseCursor(known.cursor())];
  if (read.epoch === applied.epoch && read.position < applied.position)
    throw new ControlPlaneError(
      'away',
      `the snapshot is at ${read.position}, before ${applied.position}, which is applied here: it is refused`,
    );
}

type Head = { cursor: string; serverTime: string };

/** Follows one connection until it breaks off. What is new is decided from at its first head: before that, it may be incomplete. */
async function stream(deps: Deps, fresh: Fresh | undefined, alive: () => void): Promise<void> {
  const { controlPlane, known } = deps;
  const silent = new AbortController();
  const stop = (): void => silent.abort();
  deps.ended.addEventListener('abort', stop, { once: true });
  let watch = setTimeout(stop, silentMs);
  let isFirst = true;
  let held = fresh && { ...fresh, since: [] as object[] };
  try {
    const response = await controlPlane.stream(
      `/v1/edge/stream?after=${fresh?.pages[0]!.cursor ?? known.cursor()}`,
      silent.signal,
    );
    for await (const { event, data } of eventsOf(response, silent.signal)) {
      clearTimeout(watch);
      watch = setTimeout(stop, silentMs);
      if (event !== 'head') {
        take(JSON.parse(data) as object, held, deps);
        continue;
      }
      if (held) deps.load(held);
      held = undefined;
      const issuer = isFirst && response.headers.get('thingward-token-issuer');
      if (issuer) deps.issuer(issuer);
      reach(JSON.parse(data) as Head, isFirst, deps);
      isFirst = false;
      alive();
    }
  } finally {
    clearTimeout(watch);
    deps.ended.removeEventListener('abort', stop);
    stop();
  }
  throw new ControlPlaneError('away', 'the stream ended');
}

function reach({ cursor, serverTime }: Head, isFirst: boolean, { known, head }: Deps): void {
  if (parseCursor(cursor).epoch !== parseCursor(known.cursor()).epoch)
    throw new ControlPlaneError('start-anew', 'the database was restored: everything is read again');
  known.reach(cursor);
  head(Date.parse(serverTime), isFirst);
}

/** A connection that breaks is an absence, whatever broke it. */
async function* eventsOf(response: Response, signal: AbortSignal): ReturnType<typeof readEvents> {
  try {
    yield* readEvents(piecesOf(response, signal));
  } catch (error) {
    throw new ControlPlaneError('away', `the stream broke off: ${(error as Error).message}`);
  }
}

function take(view: object, held: Fresh | undefined, { known, applied }: Deps): void {
  if (held) return void held.since.push(view);
  const entry = known.apply(view);
  if (entry) applied(entry, view, changeOf(entry, known.cursor()));
}
