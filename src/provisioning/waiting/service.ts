import { hash, randomUUID } from 'node:crypto';
import { requirePermissions, type Grantee } from '../../access/grantee.js';
import type { Permission } from '../../access/permissions.js';
import { addSeconds } from '../../clock.js';
import type { EnrollmentService } from '../../enrollments/service.js';
import type { StoredEnrollment } from '../../enrollments/store.js';
import { DomainError } from '../../errors.js';
import type { Origin } from '../../origin.js';
import type { RegisteredThing } from '../../registry.js';
import type { FirstBoot, Provisioned, StillWaiting } from '../asked.js';
import type { Admission } from '../admission/admit.js';
import type { Admitted } from '../admission/check.js';
import { keyOfCsr } from '../device-key.js';
import { createGroupCommit, type GroupCommit } from '../group-commit.js';
import { newThing, prepare, type IssueDeps } from '../issue.js';
import { keyBarred, keyInUse, notExpected, segmentFull, thingExists, unusableEnrollment } from '../refusals.js';
import { repeat, repeatSeconds } from '../repeat.js';
import type { ProvisionOutcome, ProvisioningStore } from '../store.js';
import { alreadyDecided, denied, noRoom, notUsable, tooManyDenied, unknownWaiting } from './refusals.js';
import type { Approval, ApprovalOutcome } from './approving-sql.js';
import { mostDenied, type WaitingDevice } from './entries-sql.js';
import type { Newcomer, OpeningOutcome } from './opening-sql.js';
import type { WaitingFilter, WaitingStore } from './store.js';

/** What an operator changes of what a device asked for. */
export type Changes = {
  name?: string | undefined;
  attributes?: Record<string, string> | undefined;
  policies?: string[] | undefined;
};

/** Lists a device. Those that ask at the same time are listed in one transaction, or they would wait for the enrollment with a connection each. */
type Open = GroupCommit<Newcomer, OpeningOutcome>;

type Deps = IssueDeps & {
  waiting: WaitingStore;
  store: ProvisioningStore;
  enrollments: Pick<EnrollmentService, 'get' | 'requireCovered'>;
  admission: Admission;
};

export type WaitingService = ReturnType<typeof createWaitingService>;

/** Devices that wait until an operator approves or denies them. */
export function createWaitingService(deps: Deps) {
  const { waiting, enrollments, admission, clock } = deps;
  const { isConflict } = waiting;
  const open: Open = createGroupCommit({
    record: waiting.openBatch,
    isConflict,
    keysOf: ({ enrollmentId, spkiSha256 }) => [`${enrollmentId} ${spkiSha256}`],
  });
  const approvals = createGroupCommit<Approval, ApprovalOutcome>({
    record: waiting.approveBatch,
    isConflict,
    keysOf: ({ id, record: { thing, spkiSha256 } }) => [
      id,
      `name ${thing.account}/${thing.name}`,
      `key ${thing.account}/${spkiSha256}`,
    ],
  });

  /** @throws DomainError `not-found` */
  const get = async (account: string, id: string): Promise<WaitingDevice> => {
    const found = await waiting.find(account, id, clock());
    if (!found) throw unknownWaiting(id);
    return found;
  };

  return {
    /**
     * A device asks, for the first time or again: it waits, or gets what it was approved for. What it asked for first
     * is what an operator decides about. @throws DomainError `approval-denied`, `bad-csr`, `too-many-requests`, and those of a first boot
     */
    ask: (enrollment: StoredEnrollment, asked: FirstBoot, origin: Origin): Promise<Provisioned | StillWaiting> =>
      ask({ ...deps, open }, enrollment, asked, origin),

    get,

    list: (
      account: string,
      filter: WaitingFilter,
      after: string | undefined,
      limit: number,
    ): Promise<WaitingDevice[]> => waiting.list(account, filter, after, { limit, at: clock() }),

    /**
     * Makes the thing and its certificate, which the device gets when it asks again. The caller needs what a first boot
     * under this enrollment does. @throws DomainError `not-found`, `conflict`, `forbidden`, `outside-enrollment`, and those of a first boot
     */
    async approve(caller: Grantee, id: string, changes: Changes, origin: Origin): Promise<WaitingDevice> {
      const { account } = caller;
      const entry = await get(account, id);
      if (entry.status !== 'waiting') throw alreadyDecided(entry);
      const enrollment = await enrollments.get(account, entry.enrollmentId);
      const { name = entry.name, attributes = entry.attributes } = changes;
      const by = { acmeAccountId: entry.acmeAccountId ?? undefined, manufactured: entry.manufactured ?? undefined };
      const asked: FirstBoot = { name, attributes, thingType: undefined, key: { csr: entry.csr }, ...by };
      // A device that waits has named its code.
      const expecting = await admission.expect({ enrollment, asked, codeWasRight: name === entry.name });
      const granted = grant(expecting, entry, changes, enrollments.requireCovered);
      requirePermissions(caller, effectsOf(newThing(granted.enrollment, asked, clock())), 'approving this device');
      const publicKey = keyOfCsr(entry.csr, entry);
      const admitted = await admission.check(granted, entry.sourceIp ?? undefined);
      const record = await prepare(deps, admitted, publicKey, origin);
      const outcome = await approvals({ id, record });
      if (outcome === 'gone') throw unknownWaiting(id);
      if (outcome === 'decided') throw alreadyDecided(await get(account, id));
      if (outcome.result !== 'created') throw refusalOf(outcome, record.thing);
      return get(account, id);
    },

    /** Denies a device: its key is refused with the reason from then on. @throws DomainError `not-found`, `conflict`, `too-many-requests` */
    async deny(account: string, id: string, reason: string, origin: Origin): Promise<WaitingDevice> {
      const entry = await get(account, id);
      const outcome = await waiting.deny(entry, reason, origin, clock());
      if (outcome === 'gone') throw unknownWaiting(id);
      if (outcome === 'full') throw tooManyDenied(mostDenied);
      if (outcome === 'decided') throw alreadyDecided(await get(account, id));
      return get(account, id);
    },

    sweep: (): Promise<void> => waiting.sweep(clock()),
  };
}

const mostLooks = 3;

async function ask(
  deps: Deps & { open: Open },
  enrollment: StoredEnrollment,
  asked: FirstBoot,
  origin: Origin,
): Promise<Provisioned | StillWaiting> {
  if (!('csr' in asked.key))
    throw new DomainError(
      'bad-csr',
      'devices of this enrollment wait for approval: send a csr for a key that the device made',
    );
  const { csr } = asked.key;
  const spkiSha256 = hash('sha256', keyOfCsr(csr, { account: enrollment.account, name: asked.name }).spki);
  for (let look = 1; look <= mostLooks; look++) {
    const at = deps.clock();
    const entry = await deps.waiting.findOf(enrollment.id, spkiSha256, at);
    // Nothing, when the entry was decided or another request of this key was first: the next look finds that.
    const answer = entry
      ? await again(deps, entry, at)
      : await first(deps, enrollment, { at, asked, csr, spkiSha256, origin });
    if (answer) return answer;
  }
  throw noRoom('busy');
}

async function again(deps: Deps, entry: WaitingDevice, at: Date): Promise<Provisioned | StillWaiting | undefined> {
  const { waiting, store } = deps;
  if (entry.status === 'denied') throw denied(entry.reason!);
  if (entry.status === 'approved') return collect(deps, entry);
  const { unusable } = await store.standing(entry.enrollmentId, entry, at);
  if (unusable) throw unusableEnrollment(unusable);
  return (await waiting.seen(entry.id, at)) ? stillWaiting(entry.id, entry.firstSeenAt, at) : undefined;
}

type First = { at: Date; asked: FirstBoot; csr: Buffer; spkiSha256: string; origin: Origin };

async function first(
  { open, admission }: { open: Open; admission: Admission },
  enrollment: StoredEnrollment,
  { at, asked, csr, spkiSha256, origin }: First,
): Promise<StillWaiting | undefined> {
  const expecting = await admission.expect({ enrollment, asked });
  const { id: enrollmentId, account, thingType } = expecting.enrollment;
  const id = randomUUID();
  const { name, attributes, acmeAccountId = null, manufactured = null } = asked;
  const thing = { account, name, segment: null };
  const by = { acmeAccountId, manufactured, origin };
  const newcomer = { id, at, enrollmentId, spkiSha256, thing, thingType, attributes, csr, ...by };
  const outcome = await open(newcomer);
  if (outcome === 'known') return undefined;
  if (typeof outcome === 'string') throw noRoom(outcome);
  if (outcome.result !== 'created') throw deviceRefusalOf(outcome, name);
  return stillWaiting(id, at, at);
}

const secondsBetween = (from: Date, to: Date): number => (to.getTime() - from.getTime()) / 1000;

/** Who has waited long need not ask often. */
function stillWaiting(id: string, since: Date, at: Date): StillWaiting {
  return { waiting: { id, retryAfter: secondsBetween(since, at) < 3600 ? 30 : 300 } };
}

/** What an approved device gets: the same certificate for a day after it first fetched it. */
async function collect(deps: Deps, entry: WaitingDevice): Promise<Provisioned> {
  const { waiting, store, clock } = deps;
  const { id, enrollmentId, account, spkiSha256, collectedAt } = entry;
  const name = entry.grantedThing!;
  const at = clock();
  if (collectedAt && addSeconds(collectedAt, repeatSeconds) <= at) throw thingExists(name);
  const found = await repeat(deps, { enrollmentId, account, name, spkiSha256 }, new Date(0));
  if (!found) {
    const { unusable } = await store.standing(enrollmentId, { account, name }, at);
    throw unusable === 'revoked' || unusable === 'account-suspended' ? unusableEnrollment(unusable) : thingExists(name);
  }
  if (found.certificate.notAfter <= at) throw thingExists(name);
  return { ...found, created: await waiting.collect(id, at) };
}

/** What a device gets, within its enrollment. @throws DomainError `outside-enrollment` */
function grant(
  expecting: Admitted,
  entry: WaitingDevice,
  changes: Changes,
  requireCovered: Deps['enrollments']['requireCovered'],
): Admitted {
  const { enrollment, asked } = expecting;
  requireCovered(enrollment, asked, entry.sourceIp ?? undefined);
  const policies = [...new Set(changes.policies ?? enrollment.policies)];
  const foreign = policies.find((policy) => !enrollment.policies.includes(policy));
  if (foreign !== undefined)
    throw new DomainError(
      'outside-enrollment',
      `the enrollment does not give the policy ${foreign}: leave it out, and attach it to the thing afterwards`,
    );
  return { ...expecting, enrollment: { ...enrollment, policies } };
}

/** What a first boot does besides making a thing, by the permission that each needs (docs/permissions.md). */
function effectsOf({ policies, segment, attributes }: RegisteredThing): Permission[] {
  return [
    ...(policies.length > 0 ? (['policies:attach'] as const) : []),
    ...(segment === null ? [] : (['segments:write'] as const)),
    ...(Object.keys(attributes).length > 0 ? (['things:write'] as const) : []),
  ];
}

/** Why a device is not listed. What its enrollment lacks is said first, as nothing else would help. */
function deviceRefusalOf({ result, unusable }: ProvisionOutcome, name: string): DomainError {
  if (unusable) return unusableEnrollment(unusable);
  switch (result) {
    case 'key-in-use':
      return keyInUse();
    case 'key-barred':
      return keyBarred();
    case 'not-expected':
      return notExpected(name);
    case 'created':
    case 'name-taken':
    case 'segment-full':
      return thingExists(name);
    case 'revoked':
    case 'account-suspended':
    case 'expired':
    case 'exhausted':
      return unusableEnrollment(result);
  }
}

/** Why an approval was refused, to the operator. */
function refusalOf({ result, unusable }: ProvisionOutcome, { name, segment }: RegisteredThing): DomainError {
  if (unusable) return notUsable(unusable);
  switch (result) {
    case 'segment-full':
      return segmentFull(segment!);
    case 'revoked':
    case 'account-suspended':
    case 'expired':
    case 'exhausted':
      return notUsable(result);
    case 'created':
    case 'name-taken':
    case 'key-in-use':
    case 'key-barred':
    case 'not-expected':
      return deviceRefusalOf({ result }, name);
  }
}
