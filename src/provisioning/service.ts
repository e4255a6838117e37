import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { addSeconds, type Clock } from '../clock.js';
import type { EnrollmentService } from '../enrollments/service.js';
import type { StoredEnrollment } from '../enrollments/store.js';
import { DomainError } from '../errors.js';
import type { Origin } from '../origin.js';
import type { PublicKey } from '../pki/public-key.js';
import type { FirstBoot, Provisioned, StillWaiting } from './asked.js';
import { isGuarded, type Admission } from './admission/admit.js';
import type { Admitted } from './admission/check.js';
import { keyOfCsr, makeKey, type DeviceKey } from './device-key.js';
import { createGroupCommit, type GroupCommit } from './group-commit.js';
import { prepare, type IssueDeps } from './issue.js';
import {
  keyBarred,
  keyInUse,
  notActive,
  notExpected,
  segmentFull,
  thingExists,
  unusableEnrollment,
} from './refusals.js';
import type { ReenrollRights, ReenrollStore } from './reenroll-store.js';
import { repeat, repeatSeconds, sameAs } from './repeat.js';
import type { ProvisionRecord } from './record-sql.js';
import type { ProvisionOutcome, ProvisioningStore } from './store.js';
import { createTurns } from './turns.js';

type Deps = IssueDeps & {
  store: ProvisioningStore;
  reenrollments: ReenrollStore;
  clock: Clock;
  enrollments: Pick<EnrollmentService, 'covering' | 'forget' | 'requireCovered'>;
  admission: Admission;
  /** Of an enrollment whose devices wait for approval. */
  askApproval(enrollment: StoredEnrollment, asked: FirstBoot, origin: Origin): Promise<Provisioned | StillWaiting>;
};

type Core = Deps & {
  /** Records first boots, those that arrive together in one transaction. */
  record: GroupCommit<ProvisionRecord, ProvisionOutcome>;
  inTurn: ReturnType<typeof createTurns>;
  /** Requests that were answered: a repetition of one needs no signature. A hint, no more. */
  answered: LRUCache<string, true>;
};

const mostAnswered = 10_000;

/** First boots: what every protocol that devices come by ends in. */
export function createProvisioningService(deps: Deps) {
  const { store } = deps;
  const record = createGroupCommit<ProvisionRecord, ProvisionOutcome>({
    record: store.recordBatch,
    isConflict: store.isConflict,
    keysOf: ({ thing, spkiSha256 }) => [`name ${thing.account}/${thing.name}`, `key ${thing.account}/${spkiSha256}`],
  });
  const core: Core = { ...deps, record, inTurn: createTurns(), answered: new LRUCache({ max: mostAnswered }) };
  return {
    provision: (tokenHash: Buffer, ask: () => FirstBoot, origin: Origin) => provision(core, tokenHash, ask, origin),
  };
}

/**
 * First boot by the token of an enrollment. What is asked for is read once the enrollment is known to be good.
 * @throws DomainError `invalid-credential`, and those of {@link boot}
 */
async function provision(
  core: Core,
  tokenHash: Buffer,
  ask: () => FirstBoot,
  origin: Origin,
): Promise<Provisioned | StillWaiting> {
  try {
    const enrollment = await core.enrollments.covering(tokenHash);
    if (!enrollment || enrollment.revokedAt) throw unusableEnrollment('revoked');
    // Who was approved in time may fetch the certificate later.
    if (enrollment.approval) {
      const asked = ask();
      requireProven(enrollment, asked);
      requireCovered(core, enrollment, asked, origin);
      return await core.askApproval(enrollment, asked, origin);
    }
    // Until then an equal request may be repeated.
    if (enrollment.expiresAt && addSeconds(enrollment.expiresAt, repeatSeconds) <= core.clock())
      throw unusableEnrollment('expired');
    const asked = ask();
    requireProven(enrollment, asked);
    return await boot(core, enrollment, asked, origin);
  } catch (error) {
    if (error instanceof DomainError && error.code === 'invalid-credential') core.enrollments.forget(tokenHash);
    throw error;
  }
}

/**
 * First boot under an enrollment, or the same again. Checks leave no trace, then signs in memory, then one commit
 * records everything, then answers: a crash leaves a full record or nothing that anybody holds.
 * @throws DomainError `invalid-credential`, `outside-enrollment`, `bad-csr`, `bad-key`, `thing-exists`, `key-in-use`, `segment-full`,
 * `thing-not-active`, `certificate-revoked`, `account-suspended`, `too-many-requests`
 */
async function boot(core: Core, enrollment: StoredEnrollment, asked: FirstBoot, origin: Origin): Promise<Provisioned> {
  requireCovered(core, enrollment, asked, origin);
  if (!isGuarded(enrollment)) return issue(core, { enrollment, asked }, origin);
  const repeated = await earlier(core, enrollment, asked);
  if (repeated) return repeated;
  return issue(core, await core.admission.admit({ enrollment, asked }, origin.sourceIp), origin);
}

/** Where the certificate of a manufacturer decides, the token of the enrollment admits nobody. @throws DomainError `missing-credential` */
function requireProven({ kind }: StoredEnrollment, { manufactured }: FirstBoot): void {
  if (kind === null || manufactured) return;
  throw new DomainError(
    'missing-credential',
    'this enrollment admits devices by the certificate of their manufacturer: send a proof, or show it in the handshake',
  );
}

/** Refuses what an enrollment does not cover. Of an expected thing the type is judged when it is found. @throws DomainError `outside-enrollment` */
function requireCovered(
  { enrollments }: Core,
  enrollment: StoredEnrollment,
  asked: FirstBoot,
  { sourceIp }: Origin,
): void {
  const { expectedOnly, thingType } = enrollment;
  const limits = { ...enrollment, thingType: expectedOnly ? (asked.thingType ?? thingType) : thingType };
  enrollments.requireCovered(limits, asked, sourceIp);
}

/** What an equal request got before, so that nobody is asked about it twice. What cannot be issued is refused before anybody is asked. */
async function earlier(
  core: Core,
  { id: enrollmentId, account, reenrollsThingId }: StoredEnrollment,
  { name, key }: FirstBoot,
): Promise<Provisioned | undefined> {
  const spkiSha256 = 'csr' in key ? hash('sha256', keyOfCsr(key.csr, { account, name }).spki) : undefined;
  const found = spkiSha256 && (await repeat(core, { enrollmentId, account, name, spkiSha256 }));
  if (found) return found;
  const { unusable, taken } = await core.store.standing(enrollmentId, { account, name }, core.clock());
  if (unusable) throw unusableEnrollment(unusable);
  if (taken && reenrollsThingId === null) throw thingExists(name);
  return undefined;
}

async function issue(core: Core, admitted: Admitted, origin: Origin): Promise<Provisioned> {
  const { enrollment, asked } = admitted;
  const { publicKey, privateKey } = await deviceKey(core, enrollment, asked);
  const spkiSha256 = hash('sha256', publicKey.spki);
  const of = { enrollmentId: enrollment.id, account: enrollment.account, name: asked.name, spkiSha256 };
  const key = `${of.enrollmentId} ${of.spkiSha256} ${of.name}`;
  const repeated = core.answered.has(key) ? await repeat(core, of) : undefined;
  const answer = repeated ?? (await certify(core, admitted, publicKey, origin));
  core.answered.set(key, true);
  return privateKey ? { ...answer, privateKey } : answer;
}

async function deviceKey(core: Core, enrollment: StoredEnrollment, { key, name }: FirstBoot): Promise<DeviceKey> {
  const { id, account, reenrollsThingId } = enrollment;
  if ('csr' in key) return { publicKey: keyOfCsr(key.csr, { account, name }) };
  // A key from the server is for a first boot only, and takes up to a second to make: judged before, not after.
  const { unusable, taken } = await core.store.standing(id, { account, name }, core.clock());
  if (unusable) throw unusableEnrollment(unusable);
  if (taken && reenrollsThingId === null) throw thingExists(name);
  const make = () => makeKey(key.make);
  return key.make.startsWith('rsa') ? core.inTurn(account, make) : make();
}

async function certify(core: Core, admitted: Admitted, publicKey: PublicKey, origin: Origin): Promise<Provisioned> {
  const record = await prepare(core, admitted, publicKey, origin);
  const { enrollment } = admitted;
  const { reenrollsThingId } = enrollment;
  if (reenrollsThingId === null) return firstBoot(core, record);
  return reenroll(core, record, { ...enrollment, reenrollsThingId });
}

async function firstBoot(core: Core, record: ProvisionRecord): Promise<Provisioned> {
  const { result, unusable } = await core.record(record);
  if (result === 'created') return provisioned(record);
  if (result === 'key-in-use') throw keyInUse();
  if (result === 'key-barred') throw keyBarred();
  if (result === 'segment-full') throw segmentFull(record.thing.segment!);
  if (result === 'not-expected') throw notExpected(record.thing.name);
  if (result !== 'name-taken') throw unusableEnrollment(result);
  const repeated = await repeat(core, sameAs(record));
  if (repeated) return repeated;
  throw unusable ? unusableEnrollment(unusable) : thingExists(record.thing.name);
}

async function reenroll(core: Core, asked: ProvisionRecord, rights: ReenrollRights): Promise<Provisioned> {
  const { result, record } = await core.reenrollments.record(asked, rights);
  switch (result) {
    case 'created':
      return provisioned(record);
    case 'key-in-use':
      throw keyInUse();
    case 'key-barred':
      throw keyBarred();
    case 'not-active':
      throw notActive(record.thing);
    case 'name-taken':
      throw thingExists(record.thing.name);
    case 'segment-full':
      throw segmentFull(record.thing.segment!);
    case 'expired':
    case 'exhausted': {
      const repeated = await repeat(core, sameAs(asked));
      if (repeated) return repeated;
      throw unusableEnrollment(result);
    }
    case 'revoked':
    case 'account-suspended':
      throw unusableEnrollment(result);
  }
}

function provisioned({ thing, certificate, family }: ProvisionRecord): Provisioned {
  return { created: true, thing, certificate, family: { id: family.id, counter: 1 } };
}
