import { readEvents } from '../event-stream.js';
import { changeOf, type Known, type SnapshotPage } from './known.js';
import { ControlPlaneError, type ControlPlane } from './control-plane.js';
import type { LogEntry } from '../../log/entries.js';
import type { Change } from '../gate.js';

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
  applied(entry: LogEntry, change: Change): void;
  /** Everything becomes what the pages of a snapshot say. */
  load(pages: SnapshotPage[]): Promise<void>;
  refused(): void;
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
  for (let failures = 0; !ended.aborted;) {
    try {
      if (startAnew) await readAll(deps);
      startAnew = false;
      await stream(deps, () => (failures = 0));
    } catch (error) {
      if (ended.aborted) return;
      onError(error as Error);
      const failure = error instanceof ControlPlaneError ? error.failure : 'away';
      // What cannot be read is read again from the start: nobody guesses what was revoked.
      startAnew ||= failure === 'start-anew' || !(error instanceof ControlPlaneError);
      if (failure === 'refused') deps.refused();
      const most = failure === 'refused' ? refusedRetryMs : retryMs.most;
      const wait = Math.min(retryMs.first * 2 ** failures++, most);
      await pause(wait * (0.5 + random() / 2), ended).catch(() => {});
    }
  }
}

async function readAll({ controlPlane, load }: Deps): Promise<void> {
  const pages: SnapshotPage[] = [];
  for (let path: string | undefined = '/v1/edge/snapshot'; path !== undefined; path = pages.at(-1)!.next) {
    if (pages.length >= mostPages) throw new Error('the snapshot has too many pages');
    pages.push(await controlPlane.get<SnapshotPage>(path));
  }
  await load(pages);
}

type Head = { cursor: string; serverTime: string };

/** Follows one connection until it breaks off. */
async function stream(deps: Deps, alive: () => void): Promise<void> {
  const { controlPlane, known } = deps;
  const silent = new AbortController();
  let watch = setTimeout(() => silent.abort(), silentMs);
  let isFirst = true;
  try {
    const response = await controlPlane.stream(
      `/v1/edge/stream?after=${known.cursor()}`,
      AbortSignal.any([deps.ended, silent.signal]),
    );
    for await (const { event, data } of eventsOf(response)) {
      clearTimeout(watch);
      watch = setTimeout(() => silent.abort(), silentMs);
      if (event === 'head') {
        const head = JSON.parse(data) as Head;
        known.reach(head.cursor);
        deps.head(Date.parse(head.serverTime), isFirst);
        isFirst = false;
        alive();
        if (known.hasOldIssuers()) await readIssuers(deps);
      } else take(JSON.parse(data) as object, deps);
    }
  } finally {
    clearTimeout(watch);
  }
  throw new ControlPlaneError('away', 'the stream ended');
}

/** A connection that breaks is an absence, whatever broke it. */
async function* eventsOf(response: Response): ReturnType<typeof readEvents> {
  try {
    yield* readEvents(response.body!);
  } catch (error) {
    throw new ControlPlaneError('away', `the stream broke off: ${(error as Error).message}`);
  }
}

function take(view: object, { known, applied }: Deps): void {
  const entry = known.apply(view);
  if (entry) applied(entry, changeOf(entry, known.cursor()));
}

/** Which authorities there are, an entry does not say. */
async function readIssuers({ controlPlane, known }: Deps): Promise<void> {
  const { issuers } = await controlPlane.get<SnapshotPage>('/v1/edge/snapshot');
  known.renewIssuers(issuers!);
}
