import type { AppendAudit } from '../audit/store.js';
import type { Clock } from '../clock.js';
import type { Json, Transaction } from '../db/client.js';
import { DomainError } from '../errors.js';
import { etagOf, requireMatch } from '../api/etag.js';
import type { AppendLog } from '../log/append.js';
import { segmentEntry, thingChangedEntry } from '../log/builders.js';
import { mostOfAccount, tooMany } from '../limits.js';
import type { Origin } from '../origin.js';
import { compileRange } from '../policy/condition.js';
import { lockRoom } from './room-sql.js';
import type { NewSegment, SegmentPatch } from './schema.js';
import type { SegmentStore, StoredSegment } from './store.js';

type Deps = {
  store: SegmentStore;
  clock: Clock;
  audit: AppendAudit;
  log: AppendLog;
};

export type SegmentService = ReturnType<typeof createSegmentService>;

/** Network segments: where things may speak from, by what, and how much. */
export function createSegmentService({ store, clock, audit, log }: Deps) {
  const notFound = (name: string) => new DomainError('not-found', `there is no segment ${name}`);

  const checkRange = (cidr: string): void => {
    try {
      compileRange(cidr);
    } catch (error) {
      if (error instanceof RangeError) throw new DomainError('invalid-request', `cidr: ${error.message}`);
      throw error;
    }
  };

  const get = async (account: string, name: string): Promise<StoredSegment> => {
    const segment = await store.get(account, name);
    if (!segment) throw notFound(name);
    return segment;
  };

  const note = async (
    tx: Transaction,
    account: string,
    origin: Origin,
    action: string,
    name: string,
    segment: NewSegment | null,
  ): Promise<void> => {
    const at = clock();
    await audit(tx, { at, account, origin, action, target: `segment:${name}`, detail: segment as Json });
    await log(tx, at, [segmentEntry(account, name, segment)]);
  };

  /** Moves a thing, with the segment that it enters locked. */
  const move = async (account: string, thingName: string, to: string | null, from: string | null, origin: Origin) =>
    store.transaction(async (tx) => {
      const room = to === null ? undefined : await lockRoom(tx, [{ account, name: to }]);
      if (room?.size === 0) throw notFound(to!);
      const thing = await store.lockThing(tx, account, thingName);
      if (!thing) throw new DomainError('not-found', `there is no thing ${thingName}`);
      if (thing.segment === to) return;
      if (to === null && thing.segment !== from)
        throw new DomainError('not-found', `the thing ${thingName} is not in the segment ${from}`);
      if (room && [...room.values()][0]! <= 0 && thing.status !== 'revoked') throw segmentFull(to!);
      const [at, gen] = [clock(), thing.gen + 1];
      await store.moveThing(tx, thing.id, to, gen);
      const detail = { before: thing.segment, after: to };
      await audit(tx, { at, account, origin, action: 'thing.move', target: `thing:${thingName}`, detail });
      const { attributes, policies } = thing;
      const changed = { id: thing.id, name: thingName, gen, attributes, policies, segment: to };
      await log(tx, at, [thingChangedEntry(account, changed)]);
    });

  return {
    /** @throws DomainError `segment-exists`, `invalid-request` */
    async create(account: string, segment: NewSegment, origin: Origin): Promise<StoredSegment> {
      checkRange(segment.cidr);
      await store.transaction(async (tx) => {
        const most = mostOfAccount.segments;
        if ((await store.count(tx, account, most)) >= most)
          throw tooMany('segments', most, 'delete some that are empty');
        if (!(await store.insert(tx, account, segment, clock())))
          throw new DomainError(
            'segment-exists',
            `there is a segment ${segment.name}: choose another name, or PATCH it`,
          );
        await note(tx, account, origin, 'segment.create', segment.name, segment);
      });
      return get(account, segment.name);
    },

    get,
    list: store.list,
    countMatching: store.countMatching,

    /** @throws DomainError `unknown-segment` when the account lacks it. */
    async requireKnown(account: string, name: string): Promise<void> {
      if (!(await store.get(account, name)))
        throw new DomainError('unknown-segment', `there is no segment ${name} in ${account}: create it first`);
    },

    /** Changes settings. @throws DomainError `not-found`, `conflict` for a limit below what is in, `invalid-request` */
    async patch(account: string, name: string, patch: SegmentPatch, origin: Origin): Promise<StoredSegment> {
      if (patch.cidr !== undefined) checkRange(patch.cidr);
      await store.transaction(async (tx) => {
        const room = [...(await lockRoom(tx, [{ account, name }])).values()][0];
        const before = await store.find(tx, account, name);
        if (!before || room === undefined) throw notFound(name);
        requireMatch(origin, segmentTag(before));
        const inside = before.deviceLimit - room;
        if (patch.deviceLimit !== undefined && patch.deviceLimit < inside)
          throw new DomainError('conflict', `the segment ${name} has ${inside} things: move some out first`);
        const { account: _, createdAt: __, things: ___, ...settings } = before;
        const after = { ...settings, ...withoutUndefined(patch) };
        await store.update(tx, account, after);
        await note(tx, account, origin, 'segment.change', name, after);
      });
      return get(account, name);
    },

    /** @throws DomainError `not-found`, `conflict` while it holds things or an enrollment names it */
    async delete(account: string, name: string, origin: Origin): Promise<void> {
      await store.transaction(async (tx) => {
        const isUsed = await store.lockEnrollments(tx, account, name);
        await lockRoom(tx, [{ account, name }]);
        const segment = await store.find(tx, account, name);
        if (!segment) throw notFound(name);
        requireMatch(origin, segmentTag(segment));
        if (isUsed)
          throw new DomainError(
            'conflict',
            `an enrollment puts things into the segment ${name}: revoke the enrollment first`,
          );
        if (segment.things > 0)
          throw new DomainError('conflict', `the segment ${name} has ${segment.things} things: move them out first`);
        await store.delete(tx, account, name);
        await note(tx, account, origin, 'segment.delete', name, null);
      });
    },

    /** Puts a thing into a segment, out of the one that it was in. @throws DomainError `not-found`, `segment-full` */
    put: (account: string, name: string, thingName: string, origin: Origin): Promise<void> =>
      move(account, thingName, name, null, origin),

    /** Takes a thing out of a segment. @throws DomainError `not-found` */
    remove: (account: string, name: string, thingName: string, origin: Origin): Promise<void> =>
      move(account, thingName, null, name, origin),
  };
}

/** The ETag of a segment: of its settings, not of what is in it. */
export const segmentTag = ({ things: _, ...settings }: StoredSegment): string => etagOf('segment', settings);

function withoutUndefined(patch: SegmentPatch): Partial<NewSegment> {
  return Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined));
}

function segmentFull(name: string): DomainError {
  return new DomainError(
    'segment-full',
    `the segment ${name} has reached its deviceLimit: raise it, or move things out`,
  );
}
