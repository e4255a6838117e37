import { sql, type Commit, type Transaction } from '../db/client.js';
import { isDataConflict } from '../db/errors.js';
import type { AppendLog } from '../log/append.js';
import { thingEntry } from '../log/builders.js';
import type { AppendAudit } from '../audit/store.js';
import { toRegisteredThing, type RegisteredThing } from '../registry.js';
import { inheritDeviceAttributes } from '../thing-query/device-attributes-sql.js';
import { isKeyBarred, isKeyFree } from './key-sql.js';
import { insertRecords } from './record-sql.js';
import type { ProvisionRecord } from './record-sql.js';
import { readState, usability, type BatchState, type LockRoom, type Unusable } from './store.js';

/** What a re-enrollment may do, as it was when an operator made it. */
export type ReenrollRights = {
  reenrollsThingId: string;
  reenrollReason: string | null;
  bringsBack: boolean;
  movesKeys: boolean;
};

type ReenrollResult = 'created' | 'not-active' | 'name-taken' | 'segment-full' | 'key-in-use' | 'key-barred' | Unusable;

type Reenrolled = { result: ReenrollResult; record: ProvisionRecord };

const mostAttempts = 3;

type Deps = { commit: Commit; audit: AppendAudit; log: AppendLog; lockRoom: LockRoom };

export type ReenrollStore = ReturnType<typeof createReenrollStore>;

type LockedThing = RegisteredThing & { isRenamed: boolean };
type KeyHolder = { thingId: string; isFree: boolean };

/** Certificates for things that have, or had, others before. */
export function createReenrollStore({ commit, audit, log, lockRoom }: Deps) {
  /** The new thing of a name whose last one was revoked, with all that decided its rights. Tokens of the old one are below its generation. */
  const bringBack = async (tx: Transaction, old: LockedThing, record: ProvisionRecord): Promise<ProvisionRecord> => {
    const { at, origin } = record;
    if (!old.isRenamed) {
      await tx.$executeRaw(sql`
        UPDATE things SET former_name = name, name = '#' || id::text, deleted_at = COALESCE(deleted_at, ${at}), segment = NULL
        WHERE id = ${old.id}::uuid`);
    }
    const gen = old.gen + 1;
    const { account, name, thingType, attributes, policies, segment } = old;
    const thing: RegisteredThing = {
      id: record.thing.id,
      account,
      name,
      thingType,
      attributes,
      policies,
      segment,
      status: 'active',
      gen,
      minGen: gen,
      createdAt: at,
    };
    const detail = { thingId: thing.id, before: old.id, serialNumber: record.certificate.serialNumber };
    await audit(tx, { at, account, origin, action: 'thing.bring-back', target: `thing:${name}`, detail });
    return { ...record, thing };
  };

  const announce = (tx: Transaction, { at, thing }: ProvisionRecord) => log(tx, at, [thingEntry(thing.account, thing)]);

  const noteMovedKey = (tx: Transaction, { at, origin, thing, spkiSha256 }: ProvisionRecord, before: string) => {
    const detail = { spkiSha256, before, after: thing.id };
    return audit(tx, {
      at,
      account: thing.account,
      origin,
      action: 'thing.take-key',
      target: `thing:${thing.name}`,
      detail,
    });
  };

  const recordOnce = (record: ProvisionRecord, rights: ReenrollRights): Promise<Reenrolled> =>
    commit(async (tx) => {
      const state = await readState(tx, [record]);
      const unusable = usability(state.enrollments?.[0]);
      if (unusable) return { result: unusable, record };
      const scene = await lockScene(tx, record, rights, state);
      const result = judge(scene, rights);
      const { old, holder } = scene;
      if (result !== 'created') return { result, record: { ...record, thing: old } };
      const isBack = old.status === 'revoked';
      const written = isBack ? await bringBack(tx, old, record) : { ...record, thing: old };
      const takesKeyOf = holder && !holder.isFree && holder.thingId !== written.thing.id ? holder.thingId : undefined;
      await insertRecords(tx, [written], { existingThing: !isBack, takesKeyOf });
      if (holder && holder.thingId !== written.thing.id) await noteMovedKey(tx, written, holder.thingId);
      if (isBack) {
        await inheritDeviceAttributes(tx, written.thing.id, old.id);
        await announce(tx, written);
      }
      return { result, record: written };
    });

  return {
    /**
     * Records a new key for a thing: for the same thing while it is active; for a new one in its place when it was
     * revoked and the re-enrollment was made for that. The answer's record says which thing it became.
     */
    async record(record: ProvisionRecord, rights: ReenrollRights): Promise<Reenrolled> {
      for (let attempt = 1; ; attempt++) {
        try {
          return await recordOnce(record, rights);
        } catch (error) {
          // Another took the key or the name between the look and the write: the next look sees it.
          if (attempt === mostAttempts || !isDataConflict(error)) throw error;
        }
      }
    },
  };

  /** Locks what a re-enrollment touches, in the order of everybody: enrollment, segment, things. */
  async function lockScene(
    tx: Transaction,
    record: ProvisionRecord,
    { reenrollsThingId }: ReenrollRights,
    { taken }: BatchState,
  ): Promise<Scene> {
    const segment = await segmentOf(tx, reenrollsThingId);
    const { account } = record.thing;
    const room = segment === null ? undefined : await lockRoom(tx, [{ account, name: segment }]);
    const holder = await keyHolder(tx, record);
    const { old, held } = await lockThings(tx, reenrollsThingId, holder?.thingId);
    const hasRoom = old.segment === segment && [...(room?.values() ?? [])].every((left) => left > 0);
    const isNameTaken = taken?.[0]?.name ?? false;
    const isBarred = await isKeyBarred(tx, { account, spkiSha256: record.spkiSha256 });
    return { old, held, holder, isNameTaken, isBarred, hasRoom };
  }
}

/** Everything that decides about a re-enrollment, locked. */
type Scene = {
  old: LockedThing;
  /** Who holds the key; undefined for a new one. */
  held: LockedThing | undefined;
  holder: KeyHolder | undefined;
  isNameTaken: boolean;
  isBarred: boolean;
  hasRoom: boolean;
};

function judge(scene: Scene, rights: ReenrollRights): ReenrollResult {
  const { old } = scene;
  const isBack = old.status === 'revoked' && rights.bringsBack;
  if (old.status !== 'active' && !isBack) return 'not-active';
  const refused = judgeKey(scene, rights);
  if (refused || !isBack) return refused ?? 'created';
  if (old.isRenamed && scene.isNameTaken) return 'name-taken';
  return scene.hasRoom ? 'created' : 'segment-full';
}

function judgeKey(
  { old, held, holder, isBarred }: Scene,
  { reenrollReason, movesKeys }: ReenrollRights,
): 'key-barred' | 'key-in-use' | undefined {
  if (isBarred) return 'key-barred';
  if (!holder) return undefined;
  // What was in use before cannot be the key that takes its place.
  if (reenrollReason === 'keyCompromise') return 'key-barred';
  if (holder.isFree || holder.thingId === old.id) return undefined;
  return movesKeys && held?.status === 'revoked' ? undefined : 'key-in-use';
}

async function segmentOf(tx: Transaction, thingId: string): Promise<string | null> {
  const { segment } = await tx.thing.findUniqueOrThrow({ where: { id: thingId }, select: { segment: true } });
  return segment;
}

async function keyHolder(tx: Transaction, { thing, spkiSha256, at }: ProvisionRecord): Promise<KeyHolder | undefined> {
  const [row] = await tx.$queryRaw<KeyHolder[]>(sql`
    SELECT k.thing_id AS "thingId", ${isKeyFree(at)} AS "isFree" FROM thing_keys k
    WHERE k.account_name = ${thing.account} AND k.spki_sha256 = decode(${spkiSha256}, 'hex')`);
  return row;
}

/** The thing that is re-enrolled and the holder of the key, locked in the order of their ids. */
async function lockThings(tx: Transaction, thingId: string, holderId: string | undefined) {
  const ids = holderId === undefined ? [thingId] : [thingId, holderId];
  await tx.$queryRaw(sql`SELECT 1 FROM things WHERE id = ANY(${ids}::uuid[]) ORDER BY id FOR UPDATE`);
  const rows = await tx.thing.findMany({ where: { id: { in: ids } } });
  const find = (id: string | undefined): LockedThing | undefined => {
    const row = rows.find((each) => each.id === id);
    return row && { ...toRegisteredThing(row), isRenamed: row.formerName !== null };
  };
  return { old: find(thingId)!, held: find(holderId) };
}
