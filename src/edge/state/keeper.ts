import type { createFollowedClock } from '../decider/followed-clock.js';
import type { Known, SnapshotPage } from '../decider/known.js';
import type { Principals } from '../decider/principals.js';
import type { ShownPrincipal } from '../decider/principal-queue.js';
import { EdgeStartError } from '../start-error.js';
import { lockFolder } from './lock.js';
import { createStateFolder, type StoredMark } from './stored.js';
import type { createTrust } from '../decider/trust.js';

type Deps = {
  stateDir: string;
  key: string;
  known: Known;
  principals: Principals;
  trust: ReturnType<typeof createTrust>;
  clock: ReturnType<typeof createFollowedClock>;
  monotonic(): number;
  /** The wall clock of this machine, milliseconds since 1970. */
  wall(): number;
  onError(error: Error): void;
  /** The state was written. */
  onSound(): void;
};

/** One line of the state: what decisions are made from, by its kind. */
type StoredRecord =
  | ['page', SnapshotPage]
  | ['policy', SnapshotPage['policies'][number]]
  | ['segment', SnapshotPage['segments'][number]]
  | ['pipeline', NonNullable<SnapshotPage['pipelines']>[number]]
  | ['recent' | 'entry', object]
  | ['principal', ShownPrincipal, number];

const everyMs = 10_000;
const mostPrincipals = 50_000;
const mostPending = 50_000;

/** Writes down what is known, and takes it up again after a restart. */
export function createKeeper({ stateDir, key, known, principals, trust, clock, monotonic, wall, ...told }: Deps) {
  const folder = createStateFolder(stateDir, key);
  let reason = 'there is none';
  let unlock = (): void => {};
  let writtenAt = -Infinity;
  // What came since it was written; undefined when everything has to be written again.
  let pending: StoredRecord[] | undefined;

  const note = (record: StoredRecord): void => {
    if (pending && pending.length < mostPending) pending.push(record);
    else pending = undefined;
  };

  const records = (): StoredRecord[] => {
    const { policies, segments, pipelines, things, ...rest } = known.dump();
    return [
      ['page', { ...rest, policies: [], segments: [], things: [], ...(pipelines && { pipelines: [] }) }],
      ...policies.map((policy): StoredRecord => ['policy', policy]),
      ...segments.map((segment): StoredRecord => ['segment', segment]),
      ...(pipelines ?? []).map((pipeline): StoredRecord => ['pipeline', pipeline]),
      ...(things as object[]).map((view): StoredRecord => ['recent', view]),
      ...principals.dump(mostPrincipals).map(({ shown, position }): StoredRecord => ['principal', shown, position]),
    ];
  };

  /** What the machine was off counts as time away. A clock that went back proves nothing: all trust is gone. */
  const resume = ({ serverTime, wall: wroteAt, usedMs, refused }: StoredMark): void => {
    const off = wall() - wroteAt;
    clock.guess(serverTime + Math.max(0, off));
    trust.resume(off < 0 ? Infinity : usedMs + off);
    if (refused) trust.refuse();
  };

  const take = (found: readonly StoredRecord[], cursor: string): void => {
    const of = <Kind extends StoredRecord[0]>(kind: Kind) =>
      found.filter((record): record is Extract<StoredRecord, [Kind, ...unknown[]]> => record[0] === kind);
    const [page] = of('page');
    if (!page) throw new Error('it has no beginning');
    known.load([
      {
        ...page[1],
        policies: of('policy').map(([, policy]) => policy),
        segments: of('segment').map(([, segment]) => segment),
        // An earlier version of the edge did not write which there are.
        ...(page[1].pipelines && { pipelines: of('pipeline').map(([, pipeline]) => pipeline) }),
        things: found.flatMap(([kind, view]) => (kind === 'recent' ? [view] : [])),
      },
    ]);
    for (const record of found)
      if (record[0] === 'principal') principals.restore(record[1], record[2]);
      else if (record[0] === 'entry') {
        const entry = known.apply(record[1]);
        if (entry) principals.apply(entry);
      }
    known.reach(cursor);
  };

  /** Makes the folder and locks it, before the first octet in it is read. */
  const prepare = async (): Promise<void> => {
    try {
      await folder.prepare();
      unlock = await lockFolder(stateDir);
    } catch (error) {
      if (error instanceof EdgeStartError) throw error;
      const why = (error as Error).message;
      throw new EdgeStartError(`stateDir cannot be used (${why}): let this user write there, or choose another one`, {
        cause: error,
      });
    }
  };

  return {
    /** Takes up what was kept. @throws EdgeStartError when the folder cannot be made, or another edge uses it */
    async restore(): Promise<void> {
      await prepare();
      const found = await folder.read();
      if ('reason' in found) {
        reason = found.reason;
        if (reason !== 'there is none') told.onError(new Error(`${stateDir} is not used: ${reason}`));
        return;
      }
      try {
        take(found.records as StoredRecord[], found.mark.cursor);
        resume(found.mark);
      } catch (error) {
        reason = `it cannot be read: ${(error as Error).message}`;
        told.onError(new Error(`${stateDir} is not used: ${reason}`));
      }
    },

    /** An entry was applied. */
    applied: (view: object): void => note(['entry', view]),
    /** A holder was learned. */
    learned: (shown: ShownPrincipal, position: number): void => note(['principal', shown, position]),
    /** Everything is another. */
    replaced: (): void => void (pending = undefined),

    /** Writes what changed, every ten seconds, or at once. @throws Error when it cannot be written */
    async keep(now = false): Promise<void> {
      const usedMs = trust.usedMs();
      if (!known.isLoaded() || usedMs === undefined || (!now && monotonic() - writtenAt < everyMs)) return;
      writtenAt = monotonic();
      const mark: StoredMark = {
        cursor: known.cursor(),
        serverTime: clock.now(),
        wall: wall(),
        // JSON has no infinity.
        usedMs: Math.min(usedMs, Number.MAX_SAFE_INTEGER),
        refused: trust.isRefused(),
      };
      const added = folder.isFull() ? undefined : pending;
      const all = added ? undefined : records();
      pending = [];
      try {
        await (all ? folder.replace(all, mark) : folder.append(added!, mark));
        told.onSound();
      } catch (error) {
        pending = undefined;
        throw error;
      }
    },

    /** Leaves the folder to others. */
    release: (): void => unlock(),

    /** Why nothing was taken up. */
    reason: (): string => reason,
  };
}
