import { hash, randomUUID, type KeyObject } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { addSeconds, wholeSeconds, type Clock } from '../clock.js';
import { DomainError } from '../errors.js';
import type { Origin } from '../origin.js';
import type { IssueCertificate } from './store.js';
import type { KeyType, PublicKey } from '../pki/public-key.js';
import type { RegisteredThing } from '../registry.js';
import { requireCovered } from './coverage.js';
import type { EnrollmentService } from '../enrollments/service.js';
import type { StoredEnrollment } from '../enrollments/store.js';
import { createGroupCommit } from './group-commit.js';
import type { ProvisionRequest } from './schema.js';
import type { ReenrollRights, ReenrollStore } from './reenroll-store.js';
import type {
  FamilyToken,
  ProvisionOutcome,
  ProvisioningStore,
  ProvisionRecord,
  RefreshFamily,
  RepeatOf,
  Unusable,
} from './store.js';
import { createTurns } from './turns.js';

type Authority = { issuerId: string; issue: IssueCertificate; nextIndex(): Promise<bigint> };

type Deps = {
  store: ProvisioningStore;
  reenrollments: ReenrollStore;
  clock: Clock;
  enrollments: Pick<EnrollmentService, 'covering' | 'forget'>;
  signing(account: string): Promise<Authority>;
  /** The checked public key of a CSR for the thing of this name. */
  parseCsr(pem: string, account: string, thingName: string): PublicKey;
  generateKey(type: KeyType): Promise<{ privateKey: KeyObject; publicKey: PublicKey }>;
  newFamily(notAfter: Date): RefreshFamily;
};

/** What a device gets; `family` is there when a token of it goes with the rest. */
export type Provisioned = {
  created: boolean;
  thing: RegisteredThing;
  certificate: { der: Buffer; serialNumber: string; fingerprint: string; notBefore: Date; notAfter: Date };
  privateKey?: KeyObject;
  family?: FamilyToken;
};

export const deviceValidity = (at: Date) => ({
  notBefore: addSeconds(at, -3600),
  notAfter: addSeconds(at, 90 * 86_400),
});

const repeatSeconds = 24 * 3600;
const mostAnswered = 10_000;

export type ProvisioningService = ReturnType<typeof createProvisioningService>;

export function createProvisioningService(deps: Deps) {
  const { store, clock, enrollments, signing } = deps;
  const inTurn = createTurns();
  const commit = createGroupCommit<ProvisionRecord, ProvisionOutcome>({
    record: store.recordBatch,
    isConflict: store.isConflict,
    keysOf: ({ thing, spkiSha256 }) => [`name ${thing.account}/${thing.name}`, `key ${thing.account}/${spkiSha256}`],
  });

  const deviceKey = async (
    { csr, keyType, thingName }: ProvisionRequest,
    { id, account, reenrollsThingId }: StoredEnrollment,
  ): Promise<{ publicKey: PublicKey; privateKey?: KeyObject }> => {
    if (csr !== undefined) return { publicKey: deps.parseCsr(csr, account, thingName) };
    // A key of ours is for a first boot only, and takes up to a second to make: judged before, not after.
    const { unusable, taken } = await store.standing(id, { account, name: thingName }, clock());
    if (unusable) throw unusableEnrollment(unusable);
    if (taken && reenrollsThingId === null) throw thingExists(thingName);
    const make = () => deps.generateKey(keyType!);
    return keyType!.startsWith('rsa') ? inTurn(account, make) : make();
  };

  /** Signs in memory: nobody holds what is made here until it was recorded. */
  const prepare = async (
    enrollment: StoredEnrollment,
    request: ProvisionRequest,
    publicKey: PublicKey,
    origin: Origin,
  ): Promise<ProvisionRecord> => {
    const { account } = enrollment;
    const authority = await signing(account);
    const at = clock();
    const index = await authority.nextIndex();
    const certificate = authority.issue({
      account,
      thingName: request.thingName,
      publicKey,
      validity: deviceValidity(wholeSeconds(at)),
      index,
    });
    return {
      at,
      origin,
      enrollmentId: enrollment.id,
      thing: newThing(enrollment, request, at),
      certificate,
      issuerId: authority.issuerId,
      spkiSha256: hash('sha256', publicKey.spki),
      family: deps.newFamily(certificate.notAfter),
    };
  };

  /** The answer that an equal request got before, with the next token of its family while none was ever used. */
  const repeat = async (of: RepeatOf): Promise<Provisioned | undefined> => {
    const at = clock();
    const found = await store.findRepeat(of, addSeconds(at, -repeatSeconds));
    if (!found) return undefined;
    const { thing, certificate } = found;
    if (thing.status !== 'active') throw notActive(thing);
    if (found.revoked)
      throw new DomainError(
        'certificate-revoked',
        'the certificate that this request got was revoked: ask an operator to re-enroll the thing',
      );
    const family = found.used ? undefined : await store.nextToken(certificate.serialNumber, at);
    return { created: false, thing, certificate, ...(family ? { family } : {}) };
  };

  const firstBoot = async (record: ProvisionRecord): Promise<Provisioned> => {
    const { result, unusable } = await commit(record);
    if (result === 'created') return provisioned(record);
    if (result === 'key-in-use') throw keyInUse();
    if (result === 'key-barred') throw keyBarred();
    if (result === 'segment-full') throw segmentFull(record.thing.segment!);
    if (result !== 'name-taken') throw unusableEnrollment(result);
    const repeated = await repeat(sameAs(record));
    if (repeated) return repeated;
    throw unusable ? unusableEnrollment(unusable) : thingExists(record.thing.name);
  };

  const reenroll = async (asked: ProvisionRecord, rights: ReenrollRights): Promise<Provisioned> => {
    const { result, record } = await deps.reenrollments.record(asked, rights);
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
        const repeated = await repeat(sameAs(asked));
        if (repeated) return repeated;
        throw unusableEnrollment(result);
      }
      case 'revoked':
      case 'account-suspended':
        throw unusableEnrollment(result);
    }
  };

  // Who asked before asks again: then the answer is there already, and nothing is to be signed. A hint, no more.
  const answered = new LRUCache<string, true>({ max: mostAnswered });

  const answerTo = async (
    enrollment: StoredEnrollment,
    request: ProvisionRequest,
    publicKey: PublicKey,
    origin: Origin,
  ): Promise<Provisioned> => {
    const spkiSha256 = hash('sha256', publicKey.spki);
    const of = { enrollmentId: enrollment.id, account: enrollment.account, name: request.thingName, spkiSha256 };
    const key = `${of.enrollmentId} ${of.spkiSha256} ${of.name}`;
    const repeated = answered.has(key) ? await repeat(of) : undefined;
    if (repeated) return repeated;
    const record = await prepare(enrollment, request, publicKey, origin);
    const { reenrollsThingId } = enrollment;
    const answer = await (reenrollsThingId === null
      ? firstBoot(record)
      : reenroll(record, { ...enrollment, reenrollsThingId }));
    answered.set(key, true);
    return answer;
  };

  const provision = async (tokenHash: Buffer, request: ProvisionRequest, origin: Origin): Promise<Provisioned> => {
    const enrollment = await enrollments.covering(tokenHash);
    if (!enrollment || enrollment.revokedAt) throw unusableEnrollment('revoked');
    // Until then an equal request may be repeated.
    if (enrollment.expiresAt && addSeconds(enrollment.expiresAt, repeatSeconds) <= clock())
      throw unusableEnrollment('expired');
    requireCovered(enrollment, request, origin.sourceIp);
    const { publicKey, privateKey } = await deviceKey(request, enrollment);
    const answer = await answerTo(enrollment, request, publicKey, origin);
    return privateKey ? { ...answer, privateKey } : answer;
  };

  return {
    /**
     * First boot, or the same again. Checks leave no trace, then signs in memory, then one commit records
     * everything, then answers: a crash leaves a full record or nothing that anybody holds.
     * @throws DomainError `invalid-credential`, `outside-enrollment`, `bad-csr`, `bad-key`, `thing-exists`, `key-in-use`, `segment-full`,
     * `thing-not-active`, `certificate-revoked`, `account-suspended`, `too-many-requests`
     */
    provision: (tokenHash: Buffer, request: ProvisionRequest, origin: Origin): Promise<Provisioned> =>
      provision(tokenHash, request, origin).catch((error: unknown) => {
        if (error instanceof DomainError && error.code === 'invalid-credential') enrollments.forget(tokenHash);
        throw error;
      }),
  };
}

function newThing(enrollment: StoredEnrollment, request: ProvisionRequest, createdAt: Date): RegisteredThing {
  const { account, thingType, policies, segment } = enrollment;
  // The enrollment's attributes win over the device's: they decide rights.
  const attributes = { ...request.attributes, ...enrollment.attributes };
  return {
    id: randomUUID(),
    account,
    name: request.thingName,
    thingType,
    attributes,
    policies,
    segment,
    status: 'active',
    gen: 1,
    minGen: 1,
    createdAt,
  };
}

function provisioned({ thing, certificate, family }: ProvisionRecord): Provisioned {
  return { created: true, thing, certificate, family: { id: family.id, counter: 1 } };
}

function sameAs({ enrollmentId, thing, spkiSha256 }: ProvisionRecord): RepeatOf {
  return { enrollmentId, account: thing.account, name: thing.name, spkiSha256 };
}

function notActive({ name, status }: RegisteredThing): DomainError {
  const next =
    status === 'suspended'
      ? 'ask an operator to resume it'
      : 'ask an operator who may release certificates to re-enroll it, which gives the name to a new thing';
  return new DomainError('thing-not-active', `the thing ${name} is ${status}: ${next}`);
}

function unusableEnrollment(why: Unusable): DomainError {
  if (why === 'account-suspended')
    return new DomainError('account-suspended', 'the account of this enrollment is suspended');
  const said = why === 'revoked' ? 'was revoked' : why === 'expired' ? 'has expired' : 'has been used up';
  return new DomainError('invalid-credential', `the enrollment ${said}: ask for a new one`);
}

function thingExists(name: string): DomainError {
  return new DomainError(
    'thing-exists',
    `the name ${name} is taken: another key holds it, or this request was first made over 24 hours ago (with the same key, renew instead); choose another name, or have an operator re-enroll the thing, which also works when it was revoked or deleted`,
  );
}

function segmentFull(segment: string): DomainError {
  return new DomainError(
    'segment-full',
    `the segment ${segment} has reached its deviceLimit: ask an operator to raise it or to move things out`,
  );
}

/** A key that was revoked as compromised is never certified again. */
export function keyBarred(): DomainError {
  return new DomainError('bad-key', 'this key was revoked as compromised: make a new one');
}

/** A key belongs to one thing at a time. */
export function keyInUse(): DomainError {
  return new DomainError(
    'key-in-use',
    'this key lives on another thing: make a new key, or have an operator revoke that thing and re-enroll this one',
  );
}
